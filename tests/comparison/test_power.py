"""The power of a study: at its limits, and beside studies of a known truth."""

from dataclasses import replace

import numpy as np
import pytest

from steelexp.comparison.differences import strategy
from steelexp.comparison.power import power
from steelexp.comparison.ratios import Sums, metric
from steelexp.comparison.verdicts import HIGHER, significance
from tests.simulated_runs import Study, draw

# Up to 50 groups the p of signed ranks may be exact, which takes ten times as long.
WORLD = Study({"base": 0.0, "one": 0.0, "two": 0.0}, seeds=40, groups=150, luck=0.02)


def sums_of(scores, k, runs):
    """Sums over the groups of the first runs of a strategy, every pair of group and class."""
    groups = scores.groups.max() + 1
    dice = np.where(scores.held, scores.dice[k, :runs], 0.0)  # [R, S, C]
    numerators = np.zeros((runs, groups, dice.shape[2]))
    np.add.at(numerators, (slice(None), scores.groups), dice)
    denominators = np.zeros((1, groups, dice.shape[2]))
    np.add.at(denominators, (slice(None), scores.groups), scores.held[None].astype(float))
    return Sums(numerators, denominators, micro_average=False)


def pilot(runs, seed=0):
    scores = draw(WORLD, np.random.default_rng(seed))
    return {name: sums_of(scores, k, runs) for k, name in enumerate(WORLD.effects)}


def shares(world, differences, **settings):
    given = {"seeds": 5, "studies": 8, "random": np.random.default_rng(1)} | settings
    return power(world, "base", ["one", "two"], differences, **given)


def test_power_grows_from_false_verdicts_to_certainty():
    none, large = shares(pilot(10), [1e-9, 0.5])
    assert none <= 1 / 8
    assert large == 1.0


def test_more_seeds_show_more():
    few = shares(pilot(10), [0.08], seeds=2)
    many = shares(pilot(10), [0.08], seeds=20)
    assert few < many


def test_a_strategy_without_runs_scatters_as_the_baseline_does():
    world = pilot(10)
    alone = shares({"base": world["base"]}, [0.05])
    copies = shares({"base": world["base"], "one": world["base"], "two": world["base"]}, [0.05])
    assert alone == copies


def test_the_pilots_own_difference_does_not_count():
    world = pilot(10)
    raised = world["one"]._replace(
        numerators=world["one"].numerators + 0.3 * world["one"].denominators
    )
    assert metric(raised).mean() > metric(world["one"]).mean() + 0.25
    np.testing.assert_allclose(shares({**world, "one": raised}, [0.05]), shares(world, [0.05]))


@pytest.mark.slow
def test_power_is_the_share_of_studies_of_the_same_world():
    """300 studies with five seeds of a known world, beside the power from pilots of 40 runs."""
    difference = 0.06
    raised = replace(WORLD, effects={"base": 0.0, "one": difference, "two": 0.0}, seeds=5)
    called = 0
    for seed in range(300):
        scores = draw(raised, np.random.default_rng(seed))
        base, one, two = (sums_of(scores, k, 5) for k in range(3))
        tests = significance((strategy(base), base), [(strategy(one), one), (strategy(two), two)])
        called += tests[0].verdicts[-1] == HIGHER
    stated = [
        shares(pilot(40, seed), [difference], studies=100, random=np.random.default_rng(seed))[0]
        for seed in range(1000, 1010)
    ]
    assert abs(np.mean(stated) - called / 300) <= 0.05
