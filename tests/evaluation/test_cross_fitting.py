import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from steelexp.evaluation.cross_fitting import cross_fitted_counts
from steelexp.evaluation.postprocessing_search import fold_numbers, tune_rules
from steelexp.inference.postprocessing import postprocess
from steelexp.inference.scoring import ScoredImage
from tests.evaluation.test_postprocessing_search import ALARM, DEFECT, counted, image

METRIC = "dice_kaggle"


def cross_fitted(dataset, groups=None):
    groups = np.arange(len(dataset)) if groups is None else groups
    return cross_fitted_counts(*counted(dataset), groups, ["1"], METRIC)


def random_images(seed, count):
    draw = np.random.default_rng(seed)
    dataset = []
    for _ in range(count):
        scores = np.repeat(np.repeat(draw.beta(0.4, 0.6, (4, 6)), 8, axis=0), 8, axis=1)
        labels = np.repeat(np.repeat(draw.random((4, 6)) < 0.2, 8, axis=0), 8, axis=1)
        dataset.append(
            ScoredImage(0, scores.astype(np.float32)[..., None], labels.astype(np.uint8))
        )
    return dataset


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 11))
def test_each_image_has_the_masks_of_rules_from_the_other_fifths(seed, count):
    dataset = random_images(seed, count)
    groups = np.random.default_rng(seed).integers(0, count, count)
    has_class = np.array([each.bits.any() for each in dataset])
    folds = fold_numbers(groups, has_class)
    found = cross_fitted(dataset, groups)
    for row, each in enumerate(dataset):
        rest = [other for other, fold in zip(dataset, folds, strict=True) if fold != folds[row]]
        if not rest:
            continue
        rules = tune_rules(*counted(rest), groups[folds != folds[row]], ["1"], METRIC).classes["1"]
        mask = postprocess(each.scores, [rules])[..., 0]
        truth = each.truth(0)
        wanted = ((mask & truth).sum(), (mask & ~truth).sum(), (~mask & truth).sum())
        assert tuple(part[row, 0] for part in found) == wanted


def test_rules_that_fit_a_single_image_do_not_help_it():
    """Of one image alone a threshold of 0.9 would be best; nobody else says so."""
    odd = image((2, 2, 10, 20, 0.95, True), (14, 30, 8, 20, 0.85, False))
    plain = [image((2, 2, 10, 20, 0.55, True)) for _ in range(9)]
    counts = cross_fitted([odd, *plain])
    assert counts.fp[0, 0] == 160
    assert (counts.tp[:, 0] == 200).all()


def test_copies_do_not_vouch_for_one_another():
    """Two copies of an image are in one fifth, so neither tunes the rules of the other."""
    odd = image((2, 2, 10, 20, 0.95, True), (14, 30, 8, 20, 0.85, False))
    plain = [image((2, 2, 10, 20, 0.55, True)) for _ in range(8)]
    counts = cross_fitted([odd, odd, *plain], np.array([0, 0, *range(1, 9)]))
    assert counts.fp[:2, 0].tolist() == [160, 160]


def test_rules_that_all_images_need_are_found():
    counts = cross_fitted([image(DEFECT, ALARM), image(ALARM), image()] * 5)
    assert counts.fp.sum() == 0
    assert counts.tp.sum() == 5 * 200
    assert counts.fn.sum() == 0


def test_a_single_group_is_left_with_the_plain_rules():
    counts = cross_fitted([image(DEFECT)] * 3, np.zeros(3, np.int64))
    assert counts.tp[:, 0].tolist() == [200, 200, 200]
