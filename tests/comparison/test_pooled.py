"""Metrics over the images of all folds."""

import numpy as np
import pytest

from steelexp.comparison.intervals import metric_intervals
from steelexp.comparison.pooled import pooled_metrics
from steelexp.counts import Counts
from steelexp.metrics import image_metrics

GROUPS = np.array([0, 0, 1, 2, 3, 4, 5, 6])
FOLDS = np.array([0, 0, 0, 1, 1, 1, 2, 2])


def one_class(tp, fp, fn):
    """Pixels of eight images and one class."""
    return Counts(*(np.array([each]).T for each in (tp, fp, fn)))


BETTER = one_class([10, 10, 10, 10, 10, 10, 0, 0], [0] * 8, [0] * 8)
WORSE = one_class([5, 5, 5, 5, 5, 5, 0, 0], [0] * 8, [5, 5, 5, 5, 5, 5, 0, 0])


def test_every_metric_by_hand():
    pooled = pooled_metrics([BETTER, WORSE], GROUPS, FOLDS, ["1"])
    half = 2 * 5 / (2 * 5 + 5)
    one = pooled["dice_positive"]
    assert one.seeds == pytest.approx([1.0, half], abs=1e-6)
    assert one.value == pytest.approx((1 + half) / 2, abs=1e-6)
    # No image of the last fold holds the class, so it has no value there.
    assert one.folds[:2] == pytest.approx([(1 + half) / 2] * 2, abs=1e-6)
    assert one.folds[2] is None
    assert one.fold_spread == 0.0
    assert pooled["dice_kaggle"].folds[2] == 1.0


def test_pixels_of_all_folds_are_counted_together():
    pooled = pooled_metrics([WORSE], GROUPS, FOLDS, ["1"])
    wanted = image_metrics(WORSE, ["1"], "val")
    assert {f"val_{name}": each.value for name, each in pooled.items()} == pytest.approx(
        wanted, abs=1e-6
    )


def test_a_fold_has_the_metric_of_its_own_images():
    mixed = Counts(
        *(np.where(FOLDS[:, None] == 0, a, b) for a, b in zip(BETTER, WORSE, strict=True))
    )
    pooled = pooled_metrics([mixed], GROUPS, FOLDS, ["1"])["dice_positive"]
    assert pooled.folds == [1.0, pytest.approx(2 / 3, abs=1e-6), None]
    assert pooled.fold_spread == pytest.approx(np.std([1, 2 / 3], ddof=1), abs=1e-6)


def test_one_seed_has_the_interval_of_one_network():
    random = np.random.default_rng(0)
    counts = Counts(*random.integers(0, 9, (3, 40, 2)))
    groups = np.repeat(np.arange(20), 2)
    pooled = pooled_metrics([counts], groups, np.arange(40) % 3, ["a", "b"])
    bounds = metric_intervals(counts, groups, ["a", "b"]).bounds
    assert {name: (each.low, each.high) for name, each in pooled.items()} == bounds


def test_seeds_that_differ_make_the_interval_wider():
    same = pooled_metrics([BETTER, BETTER], GROUPS, FOLDS, ["1"])["dice_pooled"]
    apart = pooled_metrics([BETTER, WORSE], GROUPS, FOLDS, ["1"])["dice_pooled"]
    assert apart.high - apart.low > same.high - same.low


def test_a_metric_that_is_not_defined_is_left_out():
    nothing = one_class([0] * 8, [0] * 8, [0] * 8)
    pooled = pooled_metrics([nothing], GROUPS, FOLDS, ["1"])
    assert "dice_positive" not in pooled
    assert pooled["dice_kaggle"].value == 1.0
