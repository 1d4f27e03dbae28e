import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from steelexp.evaluation.component_areas import LEVELS, SIZES, Components, component_pixels
from steelexp.inference.postprocessing import remove_small
from steelexp.inference.scoring import ScoredImage


def blocks():
    """Scores with a square of 6 x 6 at 0.95 and one of 4 x 5 at 0.6; the first is half labelled."""
    scores, truth = np.zeros((10, 20), np.float32), np.zeros((10, 20), bool)
    scores[1:7, 1:7], scores[2:6, 10:15], truth[1:7, 1:4] = 0.95, 0.6, True
    return scores, truth


def test_components_by_hand():
    predicted, tp = component_pixels(*blocks())
    at = {level: place for place, level in enumerate(LEVELS)}
    assert SIZES[:3] == (16, 32, 64)
    for level, kept in (
        (0.1, [56, 36, 0]),
        (0.5, [56, 36, 0]),
        (0.7, [36, 36, 0]),
        (0.99, [0] * 3),
    ):
        assert predicted[at[level], :3].tolist() == kept
        assert tp[at[level], :3].tolist() == [18 if pixels >= 36 else 0 for pixels in kept]
    assert predicted[at[0.95], 1] == 36  # reached


def test_images_and_classes_are_apart():
    scores, truth = blocks()
    components = Components()
    for turn in (1, -1):
        both = np.stack([scores, 0 * scores][::turn], axis=-1)
        components.add(ScoredImage(0, both, truth.astype(np.uint8) << (turn < 0)))
    found = components.areas
    assert found.predicted[:, :, 0, 0].tolist() == [[56, 0], [0, 56]]
    assert found.tp[:, :, 0, 0].tolist() == [[18, 0], [0, 18]]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_pixels_are_those_of_the_masks_that_a_postprocessing_leaves(seed):
    draw = np.random.default_rng(seed)
    scores = np.repeat(np.repeat(draw.random((6, 8), np.float32), 3, axis=0), 4, axis=1)
    truth = draw.random(scores.shape) < 0.4
    predicted, tp = component_pixels(scores, truth)
    for t, level in enumerate(LEVELS):
        for z, size in enumerate(SIZES):
            mask = remove_small(scores >= np.float32(level), size)
            assert (predicted[t, z], tp[t, z]) == (mask.sum(), (mask & truth).sum())
