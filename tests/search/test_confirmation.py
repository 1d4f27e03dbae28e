import json
from collections import Counter
from types import SimpleNamespace

import pytest

from steelexp.records.search_confirmation import Lead, confirmation_lines, describe_luck
from steelexp.records.search_file import read_search_file
from steelexp.search.confirmation import new_seeds
from steelexp.search.executor import Outcome
from steelexp.search.search import trial_spec
from tests.known_search import known_spec, known_trial, searched, trials_of
from tests.search.test_search import Killed, killed_at

CONFIRM = "search.confirm={top: 2, seeds: 3}"
SCORES = (0.5, 0.4, 0.9, 0.3, 0.8, 0.7)
NEW = {
    "0002-seed-2": 0.6,
    "0002-seed-3": 0.7,
    "0002-seed-4": 0.8,
    "0004-seed-2": 0.75,
    "0004-seed-3": 0.65,
    "0004-seed-4": 0.55,
}
"""Seeds 0 and 1 are those of the proposals and of the spec."""


@pytest.fixture
def spec(tmp_path):
    return known_spec(tmp_path, CONFIRM)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "runs" / "known" / "search"


def run(trial):
    score = NEW[trial.id] if trial.seed is not None else SCORES[int(trial.id)]
    return Outcome(trial.id, score, None, 1, 1, 1, 1.0, f"{trial.folder}/x")


def test_the_best_are_trained_with_new_seeds(spec, folder):
    ran = []

    def noting(trial):
        ran.append(trial)
        return run(trial)

    best = searched(spec, folder, noting)
    again = ran[6:]
    assert [trial.id for trial in again] == list(NEW)
    assert [trial.seed for trial in again] == [2, 3, 4] * 2
    assert all(trial.folder == f"confirm/{trial.id}" for trial in again)
    assert [trial.values for trial in again] == [ran[2].values] * 3 + [ran[4].values] * 3
    assert trial_spec(spec, again[0]).seed == 2
    assert [trial_spec(spec, trial).name for trial in again] == [
        *["known-0002-confirm"] * 3,
        *["known-0004-confirm"] * 3,
    ]
    assert best.trial.id == "0002"


def test_what_search_json_says(spec, folder):
    searched(spec, folder, run)
    found = read_search_file(folder).confirmation
    assert (found.status, found.seeds, found.metric) == (
        "finished",
        [2, 3, 4],
        "test_dice_positive",
    )
    one, other = found.candidates
    assert (one.trial, one.score, one.scores, one.test) == ("0002", 0.9, [0.6, 0.7, 0.8], None)
    assert (one.mean, one.spread) == (pytest.approx(0.7), pytest.approx(0.1))
    assert one.folders == [f"confirm/0002-seed-{seed}/x" for seed in (2, 3, 4)]
    assert other.mean == pytest.approx(0.65)
    lead = found.lead
    assert (lead.over, found.first) == ("0004", "0002")
    # 0.9 - 0.8 in the search and 0.7 - 0.65 with new seeds: half of it was luck.
    assert (lead.search, lead.new, lead.luck) == (
        pytest.approx(0.1),
        pytest.approx(0.05),
        pytest.approx(0.05),
    )
    lines = confirmation_lines(found, "val_dice_positive")
    assert lines[1] == "  trial 0002: 0.9000, then 0.7000 ± 0.1000"
    assert lines[-1] == (
        "  Lead of trial 0002 over 0004: +0.1000 in the search, +0.0500 with new seeds; 0.0500 of "
        "the lead was luck (50%)."
    )


@pytest.mark.parametrize(
    ("search", "new", "words"),
    [
        (0.1, 0.1, "none of the lead was luck"),
        (0.1, 0.2, "none of the lead was luck"),
        (0.1, -0.01, "all of the lead was luck"),
        (0.1, 0.025, "0.0750 of the lead was luck (75%)"),
    ],
)
def test_luck_in_words(search, new, words):
    lead = Lead(over="0001", search=search, new=new, luck=search - new, test=None)
    assert describe_luck(lead) == words


def test_another_trial_that_is_better_with_new_seeds_is_named(spec, folder):
    other = {name: 1.0 - score for name, score in NEW.items()}

    def turned(trial):
        return run(trial)._replace(score=other[trial.id]) if trial.seed else run(trial)

    searched(spec, folder, turned)
    found = read_search_file(folder).confirmation
    assert found.first == "0004"
    assert "With new seeds, trial 0004 is the best" in confirmation_lines(found, "x")[-1]


def test_a_smaller_loss_is_the_better_one(tmp_path, folder):
    space = "{optimizer.learning_rate: {log_uniform: [1.0e-4, 1.0e-1]}}"
    spec = known_spec(tmp_path, CONFIRM, "training.monitor=val_loss", space=space)

    def negated(trial):
        outcome = run(trial)
        return outcome._replace(score=-outcome.score)

    searched(spec, folder, negated)
    lead = read_search_file(folder).confirmation.lead
    assert (lead.search, lead.luck) == (pytest.approx(0.1), pytest.approx(0.05))


def test_a_failed_training_is_named(spec, folder):
    def failing(trial):
        if trial.id == "0002-seed-3":
            return Outcome(trial.id, None, "diverged", folder="confirm/x")
        return run(trial)

    searched(spec, folder, failing)
    one, _ = read_search_file(folder).confirmation.candidates
    assert (one.scores, one.failed) == ([0.6, 0.8], ["diverged"])
    assert "1 failed" in confirmation_lines(read_search_file(folder).confirmation, "x")[1]


def test_equal_settings_are_one_candidate(tmp_path, folder):
    """Rungs of one trial have the same settings; the best of them stands for all."""
    overrides = ["search.tuner.name=hyperband", "search.trials=null", CONFIRM]
    spec = known_spec(tmp_path, *overrides)
    searched(spec, folder, lambda trial: known_trial(spec)(trial))
    found = read_search_file(folder)
    values = [
        next(t.values for t in found.trials if t.id == each.trial)
        for each in found.confirmation.candidates
    ]
    assert values[0] != values[1]


def test_seeds_are_never_those_of_the_search(tmp_path):
    spec = known_spec(tmp_path, CONFIRM, "seed=2", "search.seed=4")
    assert new_seeds(spec) == [1, 3, 5]


def test_its_time_is_no_part_of_the_budget(tmp_path, folder, monkeypatch):
    """Trials take a minute, confirmations an hour: twelve minutes suffice for eight trials."""
    seconds = 0.0

    def timed(trial):
        nonlocal seconds
        seconds += 60.0 if trial.seed is None else 3600.0
        score = NEW.get(trial.id, 0.5) if trial.seed else SCORES[int(trial.id) % 6]
        return Outcome(trial.id, score, None, 1, 1, 1, 1.0, f"{trial.folder}/x")

    monkeypatch.setattr("steelexp.search.budget.time", SimpleNamespace(monotonic=lambda: seconds))
    for trials in (6, 8):
        spec = known_spec(tmp_path, CONFIRM, "search.hours=0.2", f"search.trials={trials}")
        searched(spec, folder, timed)
        search = read_search_file(folder)
        assert len(search.trials) == trials
        assert search.end_reason == f"search.trials: {trials} trials"


def test_asked_for_afterwards(tmp_path, folder):
    """The confirmation is no part of a search's identity: add it, or take more seeds."""
    searched(known_spec(tmp_path), folder, run)
    assert read_search_file(folder).confirmation is None
    searched(known_spec(tmp_path, CONFIRM), folder, run)
    assert len(trials_of(folder)) == 6
    assert read_search_file(folder).confirmation.status == "finished"


# Line 1 opens; six trials have two lines each; six trainings confirm in lines 14 to 19.
@pytest.mark.parametrize("number", range(13, 20))
@pytest.mark.parametrize("place", ["before", "torn", "after"])
def test_a_kill_costs_one_training_at_most(spec, folder, tmp_path, monkeypatch, number, place):
    searched(spec, tmp_path / "whole", run)
    runs = Counter()

    def counting(trial):
        runs[trial.id] += 1
        return run(trial)

    with monkeypatch.context() as patch:
        killed_at(patch, number, place)
        with pytest.raises(Killed):
            searched(spec, folder, counting)
    searched(spec, folder, counting)
    assert sum(runs.values()) <= 13
    found, whole = (
        json.loads((each / "search.json").read_text()) for each in (folder, tmp_path / "whole")
    )
    assert found["confirmation"] == whole["confirmation"]
    assert found["trials"] == whole["trials"]


def test_while_it_runs_search_json_says_so(spec, folder):
    seen = []

    def noting(trial):
        if trial.seed is not None:
            seen.append(read_search_file(folder))
        return run(trial)

    searched(spec, folder, noting)
    assert {each.status for each in seen} == {"running"}
    assert [each.confirmation and each.confirmation.status for each in seen] == [
        None,
        *["running"] * 5,
    ]
    assert read_search_file(folder).status == "finished"
