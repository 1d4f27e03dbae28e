from collections import deque

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelexp.inference.postprocessing import (
    gated_scores,
    label_components,
    postprocess,
    remove_small,
)
from steelexp.records.postprocessing import ClassRules

# A component of 4 that touches at a corner, one of 2 and one pixel that is almost there.
STRIP = np.array(
    [
        [0.9, 0.9, 0.1, 0.1, 0.1, 0.6],
        [0.1, 0.1, 0.8, 0.1, 0.1, 0.7],
        [0.1, 0.1, 0.7, 0.1, 0.1, 0.1],
        [0.4, 0.1, 0.1, 0.1, 0.1, 0.1],
    ],
    np.float32,
)
LARGE = [(0, 0), (0, 1), (1, 2), (2, 2)]
SMALL = [(0, 5), (1, 5)]


def places(**rules):
    mask = postprocess(STRIP[..., None], [ClassRules(**({"threshold": 0.5} | rules))])[..., 0]
    return [tuple(place) for place in np.argwhere(mask).tolist()]


@pytest.mark.parametrize(
    ("rules", "left"),
    [
        ({}, LARGE + SMALL),
        ({"min_component": 2}, LARGE + SMALL),
        ({"min_component": 3}, LARGE),
        ({"min_component": 4}, LARGE),
        ({"min_component": 5}, []),
        ({"min_area": 6}, LARGE + SMALL),
        ({"min_area": 7}, []),
        ({"min_component": 3, "min_area": 4}, LARGE),
        ({"min_component": 3, "min_area": 5}, []),  # the area of what is left
        ({"min_peak_score": 0.9}, LARGE + SMALL),  # reached
        ({"min_peak_score": 0.91}, []),
        ({"disabled": True}, []),
        ({"threshold": 0.7}, [(0, 0), (0, 1), (1, 2), (1, 5), (2, 2)]),  # reached
        ({"threshold": 0.95}, []),
    ],
)
def test_rules_by_hand(rules, left):
    assert places(**rules) == sorted(left)


def test_each_class_has_its_own_rules():
    scores = np.stack([STRIP] * 3, axis=-1)
    rules = [
        ClassRules(threshold=0.5),
        ClassRules(threshold=0.4, min_component=3),
        ClassRules(threshold=0.5, disabled=True),
    ]
    masks = postprocess(scores, rules)
    assert masks.dtype == bool
    assert masks.sum(axis=(0, 1)).tolist() == [6, 4, 0]


def test_scores_are_left_as_they_are():
    scores = STRIP[..., None].copy()
    postprocess(scores, [ClassRules(threshold=0.5, min_component=3, min_area=9)])
    assert (scores[..., 0] == STRIP).all()


def grown(mask, start):
    """The component of a pixel, walked by hand."""
    reached, ahead = {start}, deque([start])
    while ahead:
        row, column = ahead.popleft()
        for near in [(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]:
            inside = 0 <= near[0] < mask.shape[0] and 0 <= near[1] < mask.shape[1]
            if inside and mask[near] and near not in reached:
                reached.add(near)
                ahead.append(near)
    return reached


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_small_components_are_those_of_a_walk(seed, pixels):
    mask = np.random.default_rng(seed).random((6, 9)) < 0.4
    kept = [p for p in map(tuple, np.argwhere(mask).tolist()) if len(grown(mask, p)) >= pixels]
    assert np.argwhere(remove_small(mask, pixels)).tolist() == [list(p) for p in kept]


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0)])
def test_a_mask_without_pixels_has_the_background_alone(shape):
    """OpenCV's algorithm ends the process there, in one call of several."""
    for _ in range(200):
        labels, statistics, centroids = label_components(np.zeros(shape, bool))
        assert labels.shape == shape
        assert (statistics.tolist(), centroids.tolist()) == ([[0] * 5], [[0.0] * 2])


def test_an_empty_mask_stays_empty():
    for _ in range(200):
        assert not remove_small(np.zeros((6, 7), bool), 3).any()


@pytest.mark.parametrize(
    ("rules", "image_score", "left"),
    [
        ({"gate": "none"}, 0.1, LARGE + SMALL),
        ({"gate": "hard", "min_image_score": 0.5}, 0.49, []),
        ({"gate": "hard", "min_image_score": 0.5}, 0.5, LARGE + SMALL),  # reached
        ({"gate": "soft"}, 1.0, LARGE + SMALL),
        ({"gate": "soft", "threshold": 0.4}, 0.5, [(0, 0), (0, 1), (1, 2)]),  # 0.45, 0.45, 0.4
        (
            {"gate": "soft", "threshold": 0.4, "min_component": 4},
            0.5,
            [],
        ),  # components of the product
        (
            {"gate": "soft", "threshold": 0.1, "min_peak_score": 0.5},
            0.5,
            [],
        ),  # the peak of the product
        ({"gate": "area", "min_area": 12}, 0.5, LARGE + SMALL),  # 6 pixels are half of 12
        ({"gate": "area", "min_area": 13}, 0.5, []),
        ({"gate": "area", "min_area": 1000}, 1.0, LARGE + SMALL),
        ({"gate": "hard", "min_image_score": 0.2, "disabled": True}, 1.0, []),
    ],
)
def test_gates_by_hand(rules, image_score, left):
    one = ClassRules(**({"threshold": 0.5} | rules))
    mask = postprocess(STRIP[..., None], [one], np.array([image_score], np.float32))[..., 0]
    assert [tuple(place) for place in np.argwhere(mask).tolist()] == sorted(left)


def test_a_gate_without_image_scores_is_a_fault():
    with pytest.raises(ValueError, match="head"):
        postprocess(STRIP[..., None], [ClassRules(threshold=0.5, gate="soft")])


def test_each_class_has_its_own_image_score():
    rules = [ClassRules(threshold=0.5, gate="hard", min_image_score=0.5)] * 2
    masks = postprocess(np.stack([STRIP] * 2, axis=-1), rules, np.array([0.1, 0.9], np.float32))
    assert masks.sum(axis=(0, 1)).tolist() == [0, 6]


def test_more_components_than_16_bits_hold_keep_their_numbers():
    mask = np.zeros((600, 600), bool)
    mask[::2, ::2] = True
    labels, statistics, _ = label_components(mask)
    assert len(statistics) == 1 + 300 * 300
    assert np.unique(labels).tolist() == list(range(1 + 300 * 300))


def test_a_large_mask_of_few_runs_has_labels_of_16_bits():
    """OpenCV takes three times as long with 32 bits."""
    mask = np.zeros((256, 1600), bool)
    mask[:, 10:300] = mask[:, 500:1500] = True
    labels, statistics, _ = label_components(mask)
    assert labels.dtype == np.uint16
    assert statistics[:, cv2.CC_STAT_AREA].tolist() == [256 * 310, 256 * 290, 256 * 1000]


def test_gated_scores_are_what_the_thresholds_see():
    scores = np.array([[[0.8, 0.6], [0.4, 0.2]]], np.float32)
    rules = [
        ClassRules(threshold=0.4, gate="soft"),
        ClassRules(threshold=0.4, gate="hard", min_image_score=0.1),
    ]
    image_scores = np.array([0.5, 0.5], np.float32)
    gated = gated_scores(scores, rules, image_scores)
    assert gated[..., 0].tolist() == [[pytest.approx(0.4), pytest.approx(0.2)]]
    assert (gated[..., 1] == scores[..., 1]).all()
    masks = postprocess(scores, rules, image_scores)
    assert (masks == (gated >= np.float32(0.4))).all()
    assert gated_scores(scores, rules[1:] * 2, image_scores) is scores
    assert gated_scores(scores, rules, None) is scores
