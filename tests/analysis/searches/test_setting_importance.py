"""Importance finds what matters in searches of known functions, and nothing in luck."""

import pytest

from analysis.searches.search_trials import read_search
from analysis.searches.setting_importance import importances
from tests.simulated_searches import hyperband_search, random_search, write_search

DRAWS = 12
RATE = "optimizer.learning_rate"
TWO = {"a": {"float": [0.0, 1.0]}, "b": {"float": [0.0, 1.0]}}


def found(tmp_path, content):
    return importances(read_search(write_search(tmp_path, content)), draws=DRAWS)


def by_path(result):
    return {row.path: row for row in result.settings}


def test_what_matters_comes_first_and_what_does_not_is_about_zero(tmp_path):
    result = found(tmp_path, random_search(40))
    assert result.settings[0].path == RATE
    assert result.settings[0].is_important
    for path in ("training.batch_size", "loss.gamma"):
        row = by_path(result)[path]
        assert row.low <= 0.0 <= row.high
        assert abs(row.value) < 0.05
    assert result.explained > 0.5


@pytest.mark.parametrize("seed", range(3))
def test_luck_is_no_importance(tmp_path, seed):
    result = found(tmp_path, random_search(30, lambda values: 0.5, noise=0.1, seed=seed))
    assert not any(row.is_important for row in result.settings)
    assert result.explained < 0.2


def test_the_value_is_the_share_of_the_variance(tmp_path):
    """a + b/2 has variances in the proportion 4 to 1: total Sobol indices 0.8 and 0.2."""
    content = random_search(150, lambda v: v["a"] + v["b"] / 2, space=TWO, noise=0.0)
    rows = by_path(found(tmp_path, content))
    assert rows["a"].value == pytest.approx(0.8, abs=0.12)
    assert rows["b"].value == pytest.approx(0.2, abs=0.07)
    assert rows["a"].low < 0.8 < rows["a"].high


def test_what_is_made_small_and_scores_far_off_change_nothing(tmp_path):
    up = random_search(40)
    down = random_search(40)
    for each in down["trials"]:
        each["score"] = -each["score"]
    down |= {"direction": "min"}
    worst = max(down["trials"], key=lambda each: each["score"])
    worst["score"] = 1e9
    first, second = found(tmp_path / "up", up), found(tmp_path / "down", down)
    for path, row in by_path(first).items():
        assert by_path(second)[path].value == pytest.approx(row.value, abs=0.03)


def test_an_inactive_setting_says_nothing_of_its_condition(tmp_path):
    """The loss decides; gamma, which only focal has, must not share in it."""
    content = random_search(60, lambda v: float(v["loss.name"] == "focal"), noise=0.05)
    rows = by_path(found(tmp_path, content))
    assert rows["loss.name"].is_important
    assert not rows["loss.gamma"].is_important
    assert rows["loss.gamma"].active < 40
    assert rows["loss.name"].value > 0.5


def test_a_configuration_counts_once_at_its_first_rung(tmp_path):
    result = found(tmp_path, hyperband_search(27))
    assert result.trials == 27
    assert result.settings[0].path == RATE
    assert result.settings[0].is_important


def test_too_few_trials_or_equal_scores_are_said(tmp_path):
    assert found(tmp_path, random_search(9)) == (
        "9 trials with a score, and at least 10 are needed"
    )
    same = random_search(12, lambda values: 0.5, noise=0.0)
    assert found(tmp_path, same) == "every trial has the same score"


def test_the_seed_decides(tmp_path):
    opened = read_search(write_search(tmp_path, random_search(12)))
    first, again, other = (importances(opened, draws=2, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
