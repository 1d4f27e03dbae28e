import json

import pytest

from steelexp.errors import UserError
from steelexp.search.executor import LocalExecutor, Outcome, Trial
from steelexp.search.search import search
from steelexp.search.trials import Row, read_trials
from tests.known_search import known_spec, known_trial, trials_of
from tests.search.test_search import Killed, killed_at

VALUES = (
    {"optimizer.learning_rate": 0.002, "loss.name": "bce_dice", "training.batch_size": 8},
    {"optimizer.learning_rate": 0.05, "loss.name": "dice", "training.batch_size": 4},
)
REUSE = "search.reuse=[earlier]"


def known():
    rows = []
    for number, values in enumerate(VALUES):
        name = f"{number:04d}"
        trial = Trial(name, values, source="reuse", outcomes=number)
        rows.append(Row(trial, Outcome(name, 0.9 - number, None, 2, 9, 0, 0.0, "../x")))
    return rows


def searched(spec, folder, run=None, read_earlier=known):
    executor = LocalExecutor(run or known_trial(spec))
    return search(spec, folder, executor, digest="data", read_earlier=read_earlier)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "search"


@pytest.mark.parametrize("name", ["random", "bayesian", "grid"])
def test_they_are_told_to_the_tuner_and_cost_nothing(tmp_path, folder, name):
    spec = known_spec(tmp_path, REUSE, f"search.tuner.name={name}")
    best = searched(spec, folder)
    trials = json.loads((folder / "search.json").read_text())["trials"]
    assert [trial["source"] for trial in trials] == ["reuse"] * 2 + ["tuner"] * 6
    assert [trial["values"] for trial in trials[:2]] == list(VALUES)
    assert all(trial["values"] not in VALUES for trial in trials[2:])
    assert best.trial.id == "0000"


def test_the_bayesian_tuner_learns_from_them(tmp_path, folder):
    """Seven known scores are enough to leave the random start behind."""
    space = "{optimizer.learning_rate: {log_uniform: [1.0e-4, 1.0e-1]}}"
    overrides = ["search.tuner={name: bayesian, initial: 4, beta: 0}", "search.trials=3"]
    spec = known_spec(tmp_path, REUSE, *overrides, space=space)

    def seven():
        rates = (1e-4, 5e-4, 2e-3, 3e-3, 5e-3, 2e-2, 1e-1)
        rows = []
        for number, rate in enumerate(rates):
            trial = Trial(
                f"{number:04d}", {"optimizer.learning_rate": rate}, source="reuse", outcomes=number
            )
            score = known_trial(spec)(trial).score
            rows.append(Row(trial, Outcome(trial.id, score)))
        return rows

    searched(spec, folder, read_earlier=seven)
    rates = [values["optimizer.learning_rate"] for _, values, _ in trials_of(folder)[7:]]
    assert len(rates) == 3
    assert all(0.001 < rate < 0.01 for rate in rates)


def test_patience_does_not_count_them_and_they_hold_the_best(tmp_path, folder):
    spec = known_spec(tmp_path, REUSE, "search.patience=2", "search.trials=null")
    searched(spec, folder, lambda trial: Outcome(trial.id, 0.5))
    assert len(read_trials(folder / "trials.jsonl").own) == 2


@pytest.mark.parametrize("name", ["random", "bayesian", "grid"])
@pytest.mark.parametrize(
    ("number", "place"), [(1, "after"), (2, "torn"), (2, "after"), (5, "torn"), (8, "after")]
)
def test_a_kill_changes_nothing(tmp_path, folder, monkeypatch, name, number, place):
    start = "search.start=[{optimizer.learning_rate: 0.004}]"
    spec = known_spec(tmp_path, REUSE, start, f"search.tuner.name={name}")
    searched(spec, tmp_path / "whole")
    with monkeypatch.context() as patch:
        killed_at(patch, number, place)
        with pytest.raises(Killed):
            searched(spec, folder)
    searched(spec, folder)
    assert trials_of(folder) == trials_of(tmp_path / "whole")


def test_they_are_read_once(tmp_path, folder):
    calls = []

    def counted():
        calls.append(1)
        return known()

    for trials in (3, 5):
        spec = known_spec(tmp_path, REUSE, f"search.trials={trials}")
        searched(spec, folder, read_earlier=counted)
    assert len(calls) == 1


def test_a_folder_that_cannot_be_read_leaves_no_search_behind(tmp_path, folder):
    def refused():
        raise UserError("earlier: no trials.jsonl here")

    with pytest.raises(UserError, match=r"no trials\.jsonl here"):
        searched(known_spec(tmp_path, "search.reuse=[erlier]"), folder, read_earlier=refused)
    searched(known_spec(tmp_path, REUSE), folder)


def test_an_earlier_search_more_is_another_search(tmp_path, folder):
    searched(known_spec(tmp_path), folder)
    with pytest.raises(UserError, match=r"search\.reuse: it was "):
        searched(known_spec(tmp_path, REUSE), folder)


@pytest.mark.parametrize("tuner", ["hyperband", "asynchronous_halving"])
def test_tuners_with_rungs_refuse(tmp_path, tuner):
    with pytest.raises(UserError, match=f"reuse: {tuner} compares trials of the same rung"):
        known_spec(tmp_path, REUSE, f"search.tuner.name={tuner}")
