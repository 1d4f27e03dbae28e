"""Differences and intervals, worked out by hand on a few images."""

import numpy as np
import pytest
from scipy import stats

from analysis.strategies.paired_bootstrap import (
    METRICS,
    Sums,
    dice_kaggle,
    dice_positive,
    differences,
    effective_groups,
    per_run,
    resample,
)
from steelexp.evaluation import counts
from tests.simulated_runs import Study, draw

ONE = np.ones((3, 1), bool)
COPIES = np.array([0, 0, 1])  # two images of one surface, one of another


def one_class(*runs):
    """Dice of runs on images, [R, S, 1]."""
    return np.array(runs, float)[..., None]


def apart(baseline, strategy, groups=None, held=None, draws=10_000):
    images = baseline.shape[1]
    held = np.ones((images, baseline.shape[2]), bool) if held is None else held
    groups = np.arange(images) if groups is None else groups
    sums = [dice_positive(dice, held, groups) for dice in (baseline, strategy)]
    (found,) = differences(sums[0], sums[1:], draws=draws)
    return found


# --- sums and metrics


def test_sums_by_hand():
    held = np.array([[True], [False], [True]])
    dice = one_class([0.5, 1.0, 0.2], [0.3, 0.0, 0.4])
    positive, kaggle = dice_positive(dice, held, COPIES), dice_kaggle(dice, held, COPIES)
    assert positive.above[..., 0].tolist() == [[0.5, 0.2], [0.3, 0.4]]  # [run][group]
    assert positive.below[:, 0].tolist() == [1, 1]
    assert kaggle.above[..., 0].tolist() == [[1.5, 0.2], [0.3, 0.4]]
    assert kaggle.below[:, 0].tolist() == [2, 1]
    assert per_run(positive)[:, 0] == pytest.approx([0.35, 0.35])
    assert per_run(kaggle)[:, 0] == pytest.approx([1.7 / 3, 0.7 / 3])


def test_metrics_are_those_of_the_evaluator():
    random = np.random.default_rng(0)
    tp, fp, fn = random.integers(0, 9, (3, 40, 4)) * random.integers(0, 2, (3, 40, 4))
    pixels = counts.Counts(tp, fp, fn)
    evaluated = counts.metrics(pixels, "1234")
    for name, sums in METRICS.items():
        made = sums(counts.dice(pixels)[None], tp + fn > 0, np.arange(40) // 3)
        expected = [*(evaluated[f"{name}/{c}"] for c in "1234"), evaluated[name]]
        assert per_run(made)[0] == pytest.approx(expected)


def test_a_class_that_no_image_holds_is_undefined_and_not_in_the_mean_over_classes():
    dice = np.array([[[0.4, 1.0], [0.6, 1.0], [0.8, 1.0]]])
    held = np.array([[True, False]] * 3)
    assert per_run(dice_positive(dice, held, COPIES))[0] == pytest.approx(
        [0.6, np.nan, 0.6], nan_ok=True
    )
    found = apart(dice, dice + np.reshape([0.1, 0.2, 0.0], (1, 3, 1)), np.arange(3), held)
    assert np.isnan(found.low).tolist() == [False, True, False]
    assert found.value[2] == found.value[0]


# --- standard errors by hand


def test_groups_by_hand():
    """Two surfaces, differences 0.1 and 0.3: variance ((0.1)^2 + (0.1)^2) / (2 - 1) / 2 = 0.01."""
    found = apart(one_class([0.5, 0.5]), one_class([0.6, 0.8]))
    assert found.value == pytest.approx([0.2, 0.2])
    assert found.group_error == pytest.approx([0.1, 0.1], rel=0.03)  # of 10,000 draws
    assert found.run_error.tolist() == [0, 0]
    half = stats.t.ppf(0.975, 1) * found.group_error  # one degree of freedom
    assert found.low == pytest.approx(0.2 - half)
    assert found.high == pytest.approx(0.2 + half)
    assert found.p == pytest.approx(2 * stats.t.sf(0.2 / found.group_error, 1))


def test_runs_by_hand():
    """Runs at 0.6, 0.7, 0.8 on every image: standard error 0.1 / sqrt(3), 2 degrees of freedom."""
    baseline, strategy = one_class([0.5] * 4, [0.5] * 4), one_class([0.6] * 4, [0.7] * 4, [0.8] * 4)
    found = apart(baseline, strategy)
    error = 0.1 / 3**0.5
    assert found.group_error == pytest.approx([0, 0], abs=1e-12)
    assert found.run_error == pytest.approx([error, error], rel=0.03)
    assert found.low == pytest.approx(0.2 - stats.t.ppf(0.975, 2) * found.run_error)


def test_both_parts_add_up_each_with_its_own_t():
    baseline = one_class([0.5] * 4)
    strategy = one_class([0.5, 0.6, 0.7, 0.8], [0.6, 0.7, 0.8, 0.9])  # no interaction
    found = apart(baseline, strategy)
    groups, runs = found.group_error[0] ** 2, found.run_error[0] ** 2
    assert groups == pytest.approx(0.05 / 3 / 4, rel=0.06)
    assert runs == pytest.approx(0.005 / 2, rel=0.06)
    half = (stats.t.ppf(0.975, 3) ** 2 * groups + stats.t.ppf(0.975, 1) ** 2 * runs) ** 0.5
    assert found.high[0] - found.value[0] == pytest.approx(half, rel=0.02)


def test_noise_of_runs_on_groups_is_not_counted_twice():
    """Noise of variance 0.01 on 3 runs x 100 groups, in both strategies: that of the difference
    is 2 x 0.01 / 300, and each of the two parts holds all of it."""
    random = np.random.default_rng(0)
    found = [apart(*0.1 * random.standard_normal((2, 3, 100, 1)), draws=400) for _ in range(40)]
    parts = np.array([(each.group_error[0], each.run_error[0]) for each in found])
    assert np.mean(parts**2, axis=0) == pytest.approx([2 * 0.01 / 300] * 2, rel=0.15)
    half = np.array([(each.high - each.low)[0] / 2 for each in found])
    twice = np.hypot(stats.t.ppf(0.975, 99) * parts[:, 0], stats.t.ppf(0.975, 4) * parts[:, 1])
    assert 0.6 < np.mean(half / twice) < 0.92


def test_copies_of_a_image_are_one_draw():
    """Every image copied five times, in its group: the interval does not become narrower."""
    random = np.random.default_rng(1)
    baseline, strategy = random.random((2, 1, 30, 1))
    once = apart(baseline, strategy)
    copied = [np.repeat(dice, 5, axis=1) for dice in (baseline, strategy)]
    grouped = apart(*copied, groups=np.repeat(np.arange(30), 5))
    apiece = apart(*copied)
    assert grouped.group_error == pytest.approx(once.group_error, rel=1e-9)
    assert apiece.group_error[0] < 0.5 * once.group_error[0]


def test_pairing_takes_off_what_both_have_in_common():
    hard = np.linspace(0.1, 0.9, 9)
    found = apart(one_class(hard), one_class(hard + 0.05))
    assert found.value[0] == pytest.approx(0.05)
    assert found.group_error[0] == pytest.approx(0, abs=1e-12)


# --- few groups


def test_effective_groups_by_hand():
    below = np.array([[2.0, 1], [1, 0], [0, 0]])
    shares = [5 / 6, 1 / 6]  # of all classes: means of (2/3, 1/3) and (1, 0)
    overall = sum(a**2 for a in shares) ** 2 / sum(a**4 for a in shares)
    assert effective_groups(below) == pytest.approx([25 / 17, 1.0, overall])
    assert effective_groups(np.ones((7, 1))) == pytest.approx([7, 7])


def test_a_class_of_one_group_has_no_interval():
    held = np.ones((8, 2), bool)
    held[1:, 1] = False
    random = np.random.default_rng(0)
    found = apart(*random.random((2, 3, 8, 2)), held=held)
    assert np.isfinite(found.value).all()
    assert np.isnan(found.low).tolist() == [False, True, True]
    assert np.isnan(found.p).tolist() == [False, True, True]


def test_draws_without_a_rare_class_are_left_out():
    held = np.ones((6, 2), bool)
    held[2:, 1] = False
    random = np.random.default_rng(0)
    baseline, strategy = (dice_positive(d, held, np.arange(6)) for d in random.random((2, 2, 6, 2)))
    drawn = resample([baseline, strategy], draws=2000, seed=0)
    absent = np.isnan(drawn[0].groups)
    assert absent[:, 1].mean() == pytest.approx((4 / 6) ** 6, abs=0.03)
    assert (absent[:, 2] == absent[:, 1]).all()
    assert not absent[:, 0].any()
    (found,) = differences(baseline, [strategy], draws=2000)
    assert np.isfinite(found.low).all()


# --- draws


def test_strategies_share_the_draws_of_groups_and_not_those_of_runs():
    dice = np.random.default_rng(0).random((3, 20, 1))
    sums = dice_positive(dice, np.ones((20, 1), bool), np.arange(20))
    first, second = resample([sums, sums], draws=700, seed=0)
    assert np.array_equal(first.groups, second.groups)
    assert not np.array_equal(first.runs, second.runs)


def test_a_seed_gives_the_same_interval_and_another_nearly_the_same():
    scores = draw(Study(), np.random.default_rng(0))
    sums = [dice_positive(dice, scores.held, scores.groups) for dice in scores.dice]
    lows = [differences(sums[0], sums[1:], seed=seed)[0].low for seed in (0, 0, 1)]
    assert np.array_equal(lows[0], lows[1])
    assert not np.array_equal(lows[0], lows[2])
    assert lows[0] == pytest.approx(lows[2], abs=0.005)


def test_a_strategy_that_predicts_the_same_does_not_differ():
    found = apart(*[one_class([0.2, 0.4, 0.9])] * 2)
    assert (found.low.tolist(), found.high.tolist(), found.p.tolist()) == ([0, 0], [0, 0], [1, 1])


def test_one_run_a_strategy_leaves_the_groups():
    random = np.random.default_rng(0)
    baseline, strategy = random.random((2, 1, 30, 1))
    found = apart(baseline, strategy)
    each = (strategy - baseline)[0, :, 0]
    assert found.group_error[0] == pytest.approx(each.std(ddof=1) / 30**0.5, rel=0.03)
    half = stats.t.ppf(0.975, 29) * found.group_error
    assert found.low == pytest.approx(found.value - half)


def test_sums_are_not_divided_before_they_are_drawn():
    """A group of three images weighs three times as much as one of a single image."""
    sums = Sums(np.array([[[0.9], [0.9]]]), np.array([[3.0], [1.0]]))
    (drawn,) = resample([sums], draws=4000, seed=0)
    values, times = np.unique(drawn.groups[:, 0].round(6), return_counts=True)
    assert values == pytest.approx([0.3, 0.45, 0.9])  # AA, AB, BB
    assert times / 4000 == pytest.approx([0.25, 0.5, 0.25], abs=0.03)
