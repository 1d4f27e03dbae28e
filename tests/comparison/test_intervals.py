"""Intervals of one run, by hand and on simulated data sets."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.interval_coverage import (
    METRICS,
    WORLDS,
    coverage,
    percentile,
    pseudo_groups,
)
from steelexp.comparison.intervals import interval, missing_reasons
from steelexp.comparison.ratios import Sums, metric


def one_class(scores, images=None):
    """One run on one class: the mean Dice of each group, and its number of images."""
    images = np.ones(len(scores)) if images is None else np.array(images, float)
    denominators = images[None, :, None]
    return Sums(np.array(scores)[None, :, None] * denominators, denominators, micro_average=False)


def test_equal_groups_by_hand():
    """Student's t of the scores and of one 0 and one 1 beside them.

    The denominators are equal; the numerators count as 4.5^2 / 3.55 = 5.7 groups.
    """
    scores = [0.5, 0.6, 0.7, 0.8, 0.9]
    padded = np.array([*scores, 0.0, 1.0])
    half = stats.t.ppf(0.975, 4.5**2 / 3.55 - 1) * padded.std(ddof=1) / 7**0.5
    low, high = interval(one_class(scores))
    assert low == pytest.approx([padded.mean() - half] * 2)
    assert high == pytest.approx([padded.mean() + half] * 2)


def test_copies_of_a_surface_say_nothing_new():
    scores = np.linspace(0.2, 0.9, 20)
    once, copied = interval(one_class(scores)), interval(one_class(scores, [5] * 20))
    assert np.array(copied) == pytest.approx(np.array(once))


def test_groups_of_unequal_size_tell_less():
    scores = np.linspace(0.2, 0.9, 20)
    widths = [
        high[0] - low[0]
        for low, high in (
            interval(one_class(scores)),
            interval(one_class(scores, [1, 9] * 10)),
        )
    ]
    assert widths[1] > 1.2 * widths[0]


@pytest.mark.parametrize("groups", [5, 13, 327])
@pytest.mark.parametrize("score", [0.0, 0.3, 1.0])
def test_the_interval_holds_the_metric_and_stays_on_the_scale(groups, score):
    low, high = interval(one_class([score] * groups))
    assert 0 <= low[0] <= score <= high[0] <= 1
    assert high[0] - low[0] > 0.5 / groups  # never of width zero


def test_no_interval_from_fewer_than_five_groups():
    sums = one_class([0.5, 0.6, 0.7, 0.8])
    assert np.isnan(interval(sums)).all()
    reason, overall = missing_reasons(sums, ["1"])
    assert reason == "4 groups of near-duplicates count, 5 are needed"
    assert overall == "too few groups of near-duplicates count for class 1"


def test_a_rare_class_takes_the_interval_of_the_mean_along_but_not_that_of_the_micro_average():
    numerators, denominators = np.full((1, 9, 2), 0.5), np.ones((1, 9, 2))
    numerators[0, 1:, 1] = denominators[0, 1:, 1] = 0
    mean, pairs = (Sums(numerators, denominators, micro_average) for micro_average in (False, True))
    assert np.isnan(interval(mean)[0]).tolist() == [False, True, True]
    assert np.isnan(interval(pairs)[0]).tolist() == [False, True, False]
    assert missing_reasons(mean, "ab") == [
        "",
        "1 group of near-duplicates count, 5 are needed",
        "too few groups of near-duplicates count for class b",
    ]
    assert missing_reasons(pairs, "ab")[2] == ""


def test_random_metrics_lie_in_their_intervals():
    random = np.random.default_rng(0)
    for _ in range(50):
        denominators = random.pareto(1.0, (1, 12, 3)) * (random.random((1, 12, 3)) < 0.8)
        sums = Sums(
            denominators * random.random(denominators.shape), denominators, bool(random.integers(2))
        )
        low, high = interval(sums)
        there = ~np.isnan(low)
        value = metric(sums)[0]
        assert (low <= value + 1e-12)[there].all()
        assert (value <= high + 1e-12)[there].all()


METHODS = {"percentile": percentile, "pseudo-groups": pseudo_groups}


@pytest.mark.filterwarnings("ignore:All-NaN slice:RuntimeWarning")  # draws without the rare class
def test_they_hold_the_truth_on_few_groups_where_percentiles_do_not():
    """100 data sets: fewer than 89 hits have a probability below 1 % at 95 %."""
    world = WORLDS["report"]["weak network"]
    cells = coverage(world, 13, sets=100, seed=5, draws=200, methods=METHODS)
    for name in METRICS:
        cell = cells[name, "pseudo-groups"]
        assert cell.share == 0 or cell.coverage >= 0.89
    assert cells["dice_kaggle", "pseudo-groups"].share == 1
    assert cells["dice_positive, rare", "pseudo-groups"].share < 0.1
    assert cells["dice_positive, rare", "percentile"].coverage < 0.6


@pytest.mark.slow
@pytest.mark.parametrize("groups", [13, 30, 100, 327])
@pytest.mark.parametrize("world", WORLDS["report"])
def test_coverage_is_at_least_92_percent_or_there_is_no_interval(world, groups):
    methods = {"pseudo-groups": pseudo_groups}
    cells = coverage(WORLDS["report"][world], groups, sets=1000, seed=1, draws=1, methods=methods)
    for name, cell in cells.items():
        assert cell.share == 0 or cell.coverage >= 0.92, (name, cell)
