"""Differences between strategies, by hand on a few images."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.false_verdicts import STRATEGIES
from steelexp.comparison.differences import difference, p_value, strategy
from steelexp.comparison.ratios import Sums, group_sums
from tests.simulated_runs import Study, draw


def sums(dice, held=None, groups=None):
    """dice_positive of runs [R, S, C]."""
    images = dice.shape[1]
    held = np.ones(dice.shape[1:]) if held is None else held
    groups = np.arange(images) if groups is None else np.array(groups)
    return Sums(
        group_sums(dice * held, groups), group_sums(held, groups)[None], micro_average=False
    )


def one_class(*runs, groups=None):
    """Runs as lists of one class's Dice on each image."""
    return strategy(sums(np.array(runs, float)[..., None], groups=groups))


# --- by hand


def test_single_runs_have_the_paired_t_interval():
    a, b = [0.5, 0.7, 0.9, 0.4], [0.4, 0.5, 0.9, 0.5]
    result = difference(one_class(a), one_class(b))
    paired = np.subtract(a, b)
    half = stats.t.ppf(0.975, 3) * paired.std(ddof=1) / 2
    assert result.value[0] == pytest.approx(0.05)
    assert result.low[0] == pytest.approx(paired.mean() - half)
    assert result.high[0] == pytest.approx(paired.mean() + half)
    assert result.group_error[0] == pytest.approx(paired.std(ddof=1) / 2)
    assert np.isnan(result.seed_error).all()


@pytest.mark.parametrize("runs", [(1, 1), (1, 3), (3, 1)])
def test_a_single_run_on_either_side_has_no_p(runs):
    random = np.random.default_rng(0)
    one, other = (strategy(sums(random.random((count, 30, 2)))) for count in runs)
    assert np.isnan(p_value(one, other)).all()
    assert np.isfinite(difference(one, other).low).all()


def test_an_image_and_its_copy_are_one_observation():
    a, b, copies = [0.5, 0.7, 0.9], [0.4, 0.5, 0.9], [0, 0, 1, 1, 2, 2]
    alone = difference(one_class(a), one_class(b))
    doubled = difference(
        one_class(np.repeat(a, 2), groups=copies), one_class(np.repeat(b, 2), groups=copies)
    )
    assert doubled.low[0] == pytest.approx(alone.low[0])


def test_seeds_alone_give_welchs_interval():
    a = one_class([0.6, 0.6], [0.5, 0.5], [0.7, 0.7])
    b = one_class([0.5, 0.5], [0.4, 0.4], [0.6, 0.6])
    result = difference(a, b)
    half = stats.t.ppf(0.975, 4) * np.sqrt(2 * 0.01 / 3)  # both variances 0.01
    assert result.high[0] - result.value[0] == pytest.approx(half)
    assert result.seed_error[0] == pytest.approx(np.sqrt(2 * 0.01 / 3))
    assert p_value(a, b)[0] == pytest.approx(2 * stats.t.sf(0.1 / np.sqrt(2 * 0.01 / 3), 4))


def test_groups_and_seeds_add_up_each_with_its_own_t():
    baseline = one_class([0.5] * 4, [0.5] * 4)
    other = one_class([0.5, 0.6, 0.7, 0.8], [0.6, 0.7, 0.8, 0.9])  # no interaction
    result = difference(other, baseline)
    groups, seeds = np.var([0.05, 0.15, 0.25, 0.35], ddof=1) / 4, 0.005 / 2
    half = stats.t.ppf(0.975, 3) ** 2 * groups + stats.t.ppf(0.975, 1) ** 2 * seeds
    assert result.high[0] - result.value[0] == pytest.approx(half**0.5)


def test_noise_of_runs_on_groups_is_not_counted_twice():
    """Noise of variance 0.01 on 3 runs and 100 groups, in both strategies: that of the difference
    is 2 x 0.01 / 300, and each of the two parts holds all of it."""
    random = np.random.default_rng(0)
    results = []
    for _ in range(120):
        one, other = (strategy(sums(each)) for each in random.normal(0, 0.1, (2, 3, 100, 1)))
        result = difference(one, other)
        errors = (result.group_error[0], result.seed_error[0])
        results.append((*errors, (result.high - result.low)[0] / 2))
    groups, seeds, half = np.array(results).T
    assert np.mean(groups**2) == pytest.approx(2 * 0.01 / 300, rel=0.15)
    assert np.mean(seeds**2) == pytest.approx(2 * 0.01 / 300, rel=0.15)
    twice = np.hypot(stats.t.ppf(0.975, 99) * groups, stats.t.ppf(0.975, 4) * seeds)
    assert 0.6 < np.mean(half / twice) < 0.92


def test_runs_that_each_lose_another_class_do_not_look_alike():
    """Runs lose class 0 and class 1: their means agree, yet the seeds matter."""
    dice = np.array([[[0.0, 0.8]] * 4, [[0.8, 0.0]] * 4])
    one = strategy(sums(dice))
    assert one.values[:, -1] == pytest.approx([0.4, 0.4])
    per_class = 0.8**2 / 2 / 2  # variance of 0 and 0.8, divided by two runs
    assert one.seeds == pytest.approx([per_class, per_class, 2 * per_class / 4])


def test_one_group_gives_no_interval():
    result = difference(one_class([0.5]), one_class([0.25]))
    assert result.value[0] == 0.25
    assert np.isnan(result.low[0])


def test_a_class_of_one_group_has_no_interval_and_all_classes_neither():
    held = np.ones((8, 2))
    held[1:, 1] = 0
    one, other = (
        strategy(sums(each, held)) for each in np.random.default_rng(0).random((2, 3, 8, 2))
    )
    result = difference(one, other)
    assert np.isfinite(result.value).all()
    assert np.isnan(result.low).tolist() == [False, True, True]
    assert np.isnan(p_value(one, other)).tolist() == [False, True, True]


def test_a_strategy_that_predicts_the_same_does_not_differ():
    one = one_class([0.2, 0.4, 0.9], [0.3, 0.4, 0.7])
    result = difference(one, one)
    assert result.value.tolist() == [0, 0]
    assert p_value(one, one).tolist() == [1, 1]


# --- coverage


def coverage(study, studies):
    """Share of the intervals that hold the true difference, [all classes, single classes].

    A class in a single group has no interval and does not count.
    """
    names = list(study.effects)
    inside = []
    for number in range(studies):
        scores = draw(study, np.random.default_rng(number))
        base, *others = (strategy(sums(dice, scores.held, scores.groups)) for dice in scores.dice)
        for name, other in zip(names[1:], others, strict=True):
            result, truth = difference(other, base), study.effects[name]
            holds = (result.low <= truth) & (truth <= result.high)
            inside.append(np.where(np.isnan(result.low), np.nan, holds))
    return np.nanmean(np.array(inside)[:, -1]), np.nanmean(np.array(inside)[:, :-1])


FOUR = dict(list(STRATEGIES.items())[:4]) | {"strategy_1": 0.05, "strategy_2": -0.05}


def test_intervals_hold_the_truth_95_times_in_100_or_a_little_more():
    for share in coverage(Study(FOUR), 80):
        assert 0.93 <= share <= 0.998


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"luck": 0.0},
        {"luck": 0.04},
        {"seeds": 2},
        {"seeds": 5},
        {"groups": 13},
        {"suits": 0.02},
        {"held": (0.45, 0.35, 0.35, 0.06), "groups": 140},
    ],
    ids=str,
)
def test_intervals_hold_the_truth_whatever_the_noise_is_made_of(settings):
    for share in coverage(Study(FOUR, **settings), 500):
        assert 0.93 <= share <= 0.998
