"""Verdicts: when there is one, and how often it is false."""

import numpy as np
import pytest

from benchmarks.false_verdicts import LOSSES, STRATEGIES, power, rates, study_verdicts
from steelexp.comparison.differences import strategy
from steelexp.comparison.ratios import Sums
from steelexp.comparison.verdicts import NOT_SHOWN, significance
from tests.simulated_runs import Study

EFFECTS = {"baseline": 0.0, "up": 0.3, "down": -0.3, "same": 0.0}
NONE, ONE, EACH, OFTEN = LOSSES


def against(*runs):
    """Significance of every strategy against the first; each is [R, G] Dice of one class."""
    denominators = np.ones((1, len(runs[0][0]), 1))
    every = [
        Sums(np.array(each, float)[..., None], denominators, micro_average=False) for each in runs
    ]
    pairs = [(strategy(each), each) for each in every]
    return significance(pairs[0], pairs[1:])


def test_effects_are_called_by_their_direction():
    verdicts = study_verdicts(Study(EFFECTS), NONE, (0, 0))
    assert [each[-1] for each in verdicts] == ["higher", "lower", NOT_SHOWN]


@pytest.mark.parametrize("seeds", [1, 2])
def test_one_seed_gets_no_verdict(seeds):
    verdicts = study_verdicts(Study(EFFECTS, seeds=seeds), NONE, (0, 0))
    assert ({word for each in verdicts for word in each} == {""}) == (seeds == 1)


def test_a_baseline_of_one_run_gives_no_verdict():
    random = np.random.default_rng(0)
    baseline = random.random((1, 40))
    (outcome,) = against(baseline, 1 + random.random((3, 40)))
    assert outcome.verdicts == ["", ""]
    assert np.isnan(outcome.p).all()


def test_large_differences_of_the_seeds_are_no_difference_of_the_strategies():
    """Every image sides with the strategy, and so does the second run of the baseline."""
    hard = np.random.default_rng(0).integers(20, 60, 60) / 100
    (outcome,) = against([hard, hard + 0.2], [hard + 0.08, hard + 0.28])
    assert outcome.ranks_holm[-1] < 0.001
    assert outcome.p_holm[-1] > 0.05
    assert outcome.verdicts == [NOT_SHOWN, NOT_SHOWN]


def test_all_classes_and_single_classes_are_two_families():
    random = np.random.default_rng(0)
    denominators = np.ones((1, 30, 4))
    every = [Sums(random.random((3, 30, 4)), denominators, micro_average=False) for _ in range(4)]
    pairs = [(strategy(each), each) for each in every]
    outcomes = significance(pairs[0], pairs[1:])
    overall = np.array([each.p[-1] for each in outcomes])
    single = np.array([each.p[:-1] for each in outcomes])
    corrected = np.array([each.p_holm for each in outcomes])
    assert corrected[:, -1].min() == pytest.approx(min(1.0, 3 * overall.min()))
    assert corrected[:, :-1].min() == pytest.approx(min(1.0, 12 * single.min()))


# --- known truths: the fast tests allow what chance allows, the slow ones hold the promise


def test_few_false_verdicts_in_60_null_studies():
    study = Study(STRATEGIES, seeds=2, groups=40)
    assert rates(study, ONE, 60).max() <= 7 / 60  # over 7 have a probability of 1 % at 5 %


def test_an_effect_of_016_is_called_higher():
    study = Study({**STRATEGIES, "strategy_1": 0.16})
    assert power(study, 40) > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("luck", [0.0, 0.015, 0.04])
@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_false_verdicts_in_at_most_65_of_1000_null_studies(seeds, luck):
    assert rates(Study(STRATEGIES, seeds=seeds, luck=luck), NONE, 1000).max() <= 0.065


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_false_verdicts_in_at_most_85_of_1000_null_studies_where_runs_lose_a_class(seeds):
    assert rates(Study(STRATEGIES, seeds=seeds), ONE, 1000).max() <= 0.085


@pytest.mark.slow
def test_an_effect_is_called_higher_in_over_80_percent_of_500_studies():
    assert power(Study({**STRATEGIES, "strategy_1": 0.16}), 500) > 0.8
