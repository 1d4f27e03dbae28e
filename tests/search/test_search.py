import json
import os
import random
import signal
import time
from collections import Counter

import pytest
import yaml

from steelexp.errors import RunFailedError, UserError
from steelexp.plan import SpecModel
from steelexp.records.jsonl import first_check
from steelexp.records.search_file import best_line, read_search_file
from steelexp.records.store import BusyError, RunFolder
from steelexp.search.executor import Outcome
from steelexp.search.search import search, trial_spec
from steelexp.search.trials import Trials, read_trials
from steelexp.search.tuners import TUNERS
from steelexp.spec import load
from steelexp.spec.effects import idle_settings
from steelexp.spec.objective import Objective
from tests.file_schemas import check_files
from tests.known_search import known_spec, known_trial, searched, trials_of


class Killed(BaseException):
    """In place of SIGKILL: no handler of ours may turn it into a clean end."""


@pytest.fixture
def spec(tmp_path):
    return known_spec(tmp_path)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "runs" / "known" / "search"


class TestWhatIsLeft:
    def test_best_is_a_spec_that_can_be_run(self, spec, folder):
        best = searched(spec, folder)
        found = load(folder / "best.yaml", model=SpecModel)
        assert found.search is None
        assert found.name == "known-best"
        assert found == trial_spec(spec, best.trial, "known-best")
        assert (
            (folder / "best.yaml")
            .read_text()
            .startswith(f"# {best_line(folder)}\n# Trial {best.trial.id} of known: ")
        )

    def test_trials_that_all_fail_use_up_the_epochs(self, tmp_path, folder):
        spec = known_spec(tmp_path, "search.trials=null", "search.epochs=12", "training.epochs=3")
        trained = iter([0, 2, 0, 3, 3, 0, 0])

        def fails(trial):
            return Outcome(trial.id, None, "diverged", trained=next(trained))

        with pytest.raises(RunFailedError, match="no trial was finished: all failed"):
            searched(spec, folder, fails)
        search = read_search_file(folder)
        assert [trial.trained for trial in search.trials] == [0, 2, 0, 3, 3]
        # Each trial needs 3 epochs: 1 + 2 + 1 + 3 + 3 are spent.
        assert search.end_reason.startswith("search.epochs: 2 of 12 are left")

    def test_best_has_no_alerts_of_trials(self, tmp_path, folder):
        alerts = "tracking={name: comet, mode: offline, trial_alerts: [finished]}"
        searched(known_spec(tmp_path, alerts), folder)
        best = load(folder / "best.yaml", model=SpecModel)
        assert idle_settings(best) == []
        assert best.tracking.settings["mode"] == "offline"

    def test_a_folder_with_a_line_end_does_not_end_the_comment(self, spec, tmp_path):
        folder = tmp_path / "a\nname: injected" / "known" / "search"
        searched(spec, folder)
        lines = (folder / "best.yaml").read_text().splitlines()
        assert [line[:2] for line in lines[:3]] == ["# ", "# ", "na"]
        assert load(folder / "best.yaml", model=SpecModel).name == "known-best"

    def test_search_json(self, spec, folder):
        best = searched(spec, folder)
        assert check_files(folder) == {"search"}
        summary = json.loads((folder / "search.json").read_text())
        written = {
            key: value for key, value in summary.items() if key not in ("trials", "checksum")
        }
        assert written == {
            "schema_version": 3,
            "journal": first_check(folder / "trials.jsonl"),
            "name": "known",
            "objective": "val_dice_positive",
            "direction": "max",
            "objectives": {"val_dice_positive": Objective("val_dice_positive", "max").definition},
            "tuner": {"name": "random"},
            "space": {
                "optimizer.learning_rate": {"log_uniform": [1e-4, 0.1]},
                "loss.name": {"choice": ["dice", "bce_dice", "focal"]},
                "loss.gamma": {"float": [0.5, 4.0], "when": {"loss.name": ["focal"]}},
                "training.batch_size": {"int": [4, 16], "step": 4},
            },
            "budget": {
                "trials": 6,
                "epochs": None,
                "hours": None,
                "patience": None,
                "minimum_gain": 0.0,
            },
            "seed": 0,
            "status": "finished",
            "end_reason": "search.trials: 6 trials",
            "best": best.trial.id,
            "pareto": None,
            "confirmation": None,
        }
        assert [trial["id"] for trial in summary["trials"]] == [f"{n:04d}" for n in range(6)]
        assert summary["trials"][3] == {
            "id": "0003",
            "values": dict(trials_of(folder)[3][1]),
            "status": "finished",
            "score": trials_of(folder)[3][2],
            "reason": None,
            "best_epoch": 9,
            "epochs": 9,
            "trained": 9,
            "seconds": 1.0,
            "folder": "trials/0003/x",
            "continues": None,
            "source": "tuner",
            "scores": {},
        }

    def test_while_it_runs(self, spec, folder):
        seen = []

        def run(trial):
            seen.append(json.loads((folder / "search.json").read_text()))
            return known_trial(spec)(trial)

        searched(spec, folder, run)
        assert [summary["status"] for summary in seen] == ["running"] * 6
        assert [t["status"] for t in seen[2]["trials"]] == ["finished", "finished", "running"]

    def test_the_best_is_the_smallest_loss(self, tmp_path, folder):
        space = "{optimizer.learning_rate: {log_uniform: [1.0e-4, 1.0e-1]}}"
        spec = known_spec(tmp_path, "training.monitor=val_loss", space=space)
        best = searched(spec, folder)
        assert best.outcome.score == min(score for *_, score in trials_of(folder))


class TestProgress:
    def test_a_line_a_trial_with_the_time_left(self, spec, folder, capsys):
        searched(spec, folder)
        lines = capsys.readouterr().out.splitlines()
        ends = [line for line in lines if " ended; " in line]
        assert len(ends) == 6
        assert ends[0].startswith("trial 0000: val_dice_positive ")
        assert ends[0].endswith("about 5 s left")
        assert ends[-1].endswith("the last")


class TestBudgets:
    def test_epochs(self, tmp_path, folder):
        spec = known_spec(tmp_path, "search.trials=null", "search.epochs=40")
        searched(spec, folder)  # nine each
        assert len(trials_of(folder)) == 4

    def test_epochs_that_early_stopping_saved_are_spent(self, tmp_path, folder):
        spec = known_spec(tmp_path, "search.trials=null", "search.epochs=20")

        def run(trial):
            return known_trial(spec)(trial)._replace(epochs=2, trained=2)

        searched(spec, folder, run)
        assert len(trials_of(folder)) == 6  # after 6 x 2 nine more would be 21

    def test_less_than_one_trial(self, tmp_path, folder):
        with pytest.raises(RunFailedError, match="none fitted into the budget"):
            searched(known_spec(tmp_path, "search.epochs=8"), folder)

    def test_hours(self, tmp_path, folder, monkeypatch):
        spec = known_spec(tmp_path, "search.trials=null", "search.hours=1.0")
        clock = [0.0]
        monkeypatch.setattr("steelexp.search.budget.time.monotonic", lambda: clock[0])

        def run(trial):
            clock[0] += 1000
            return known_trial(spec)(trial)

        searched(spec, folder, run)
        assert len(trials_of(folder)) == 4

    def test_hours_of_an_earlier_session_count(self, tmp_path, folder, monkeypatch):
        spec = known_spec(tmp_path, "search.trials=null", "search.hours=1.0")
        clock, dies_at = [0.0], ["0002"]
        monkeypatch.setattr("steelexp.search.budget.time.monotonic", lambda: clock[0])

        def run(trial):
            if trial.id in dies_at:
                raise Killed
            clock[0] += 1000
            return known_trial(spec)(trial)

        with pytest.raises(Killed):
            searched(spec, folder, run)  # 2000 seconds
        clock[0], dies_at[:] = 0.0, []
        searched(spec, folder, run)
        assert len(trials_of(folder)) == 4

    def test_more_trials_go_on(self, tmp_path, folder):
        searched(known_spec(tmp_path, "search.trials=4"), folder)
        first = trials_of(folder)
        searched(known_spec(tmp_path, "search.trials=6"), folder)
        assert trials_of(folder)[:4] == first
        searched(known_spec(tmp_path), tmp_path / "whole")
        assert trials_of(folder) == trials_of(tmp_path / "whole")

    @pytest.mark.parametrize("iterations", [1, 2])
    def test_hyperband_spends_what_it_declares(self, tmp_path, folder, iterations):
        tuner = f"search.tuner={{name: hyperband, iterations: {iterations}}}"
        spec = known_spec(tmp_path, tuner, "search.trials=null")

        def run(trial):
            earlier = {t: o.epochs for t, o in outcomes.items()}.get(trial.continues, 0)
            outcomes[trial.id] = known_trial(spec)(trial)
            return outcomes[trial.id]._replace(trained=trial.epochs - earlier)

        outcomes = {}
        searched(spec, folder, run)
        summary = json.loads((folder / "search.json").read_text())
        assert sum(trial["trained"] for trial in summary["trials"]) == 75 * iterations
        assert len(summary["trials"]) == 23 * iterations


class TestEnd:
    """What search.json and the last line say of the end: six combinations, see SMALL."""

    SMALL = "{loss.name: {choice: [dice, bce_dice]}, training.batch_size: {int: [4, 6]}}"

    @pytest.mark.parametrize(
        ("overrides", "reason"),
        [
            ([], "search.trials: 6 trials"),
            (["search.trials=null", "search.epochs=40"], "4 of 40 are left, the next trial needs"),
        ],
    )
    def test_a_limit(self, tmp_path, folder, capsys, overrides, reason):
        searched(known_spec(tmp_path, *overrides), folder)
        assert reason in json.loads((folder / "search.json").read_text())["end_reason"]
        assert reason in capsys.readouterr().out.splitlines()[-1]

    def test_hours(self, tmp_path, folder):
        with pytest.raises(RunFailedError, match="none fitted into the budget"):
            searched(known_spec(tmp_path, "search.trials=null", "search.hours=1.0e-12"), folder)
        assert "hours are over" in json.loads((folder / "search.json").read_text())["end_reason"]

    @pytest.mark.parametrize("name", ["random", "bayesian", "grid"])
    def test_a_small_space_is_tried_whole(self, tmp_path, folder, name):
        overrides = [f"search.tuner.name={name}", "search.trials=99"]
        searched(known_spec(tmp_path, *overrides, space=self.SMALL), folder)
        reason = json.loads((folder / "search.json").read_text())["end_reason"]
        assert reason == "all 6 combinations of the space were tried"
        assert len(trials_of(folder)) == 6

    def test_a_limit_with_what_is_left(self, tmp_path, folder):
        searched(known_spec(tmp_path, "search.trials=4", space=self.SMALL), folder)
        reason = json.loads((folder / "search.json").read_text())["end_reason"]
        assert reason == "search.trials: 4 trials; 2 of 6 combinations were not tried"

    def test_hyperband_is_at_its_end(self, tmp_path, folder):
        overrides = ["search.tuner.name=hyperband", "search.trials=null"]
        searched(known_spec(tmp_path, *overrides), folder)
        reason = json.loads((folder / "search.json").read_text())["end_reason"]
        assert reason == "the tuner hyperband proposes no more trials"


START = (
    "search.start=[{}, {loss.name: focal, training.batch_size: 8},"
    " {loss.name: bce_dice, optimizer.learning_rate: 0.002}]"
)
START_VALUES = [
    {"optimizer.learning_rate": 1e-4, "loss.name": "dice", "training.batch_size": 4},
    {
        "optimizer.learning_rate": 1e-4,
        "loss.name": "focal",
        "loss.gamma": 2.0,  # focal's own
        "training.batch_size": 8,
    },
    {"optimizer.learning_rate": 0.002, "loss.name": "bce_dice", "training.batch_size": 4},
]


class TestStart:
    @pytest.mark.parametrize("name", TUNERS)
    def test_these_come_first_and_the_tuner_learns_from_them(self, tmp_path, folder, name):
        searched(known_spec(tmp_path, START, f"search.tuner.name={name}"), folder)
        trials = json.loads((folder / "search.json").read_text())["trials"]
        assert [trial["values"] for trial in trials[:3]] == START_VALUES
        assert [trial["source"] for trial in trials] == ["start"] * 3 + ["tuner"] * 3
        begun = [trial["values"] for trial in trials[3:] if trial["continues"] is None]
        assert all(values not in START_VALUES for values in begun)

    @pytest.mark.parametrize("name", ["hyperband", "asynchronous_halving"])
    def test_they_are_promoted(self, tmp_path, folder, name):
        start = "search.start=[{loss.name: focal, optimizer.learning_rate: 0.003}]"
        overrides = [f"search.tuner.name={name}", "search.trials=23", start]
        searched(known_spec(tmp_path, *overrides), folder)
        trials = json.loads((folder / "search.json").read_text())["trials"]
        same = [trial for trial in trials if trial["values"] == trials[0]["values"]]
        assert [(trial["epochs"], trial["continues"]) for trial in same] == [
            (1, None),
            (3, "0000"),
            (9, same[1]["id"]),
        ]
        assert [trial["source"] for trial in same] == ["start", "tuner", "tuner"]

    def test_a_grid_has_the_points_that_it_has_not(self, tmp_path, folder):
        """A learning rate of 0.002 is no point of the grid; dice with batches of 4 is one."""
        space = (
            "{loss.name: {choice: [dice, focal]},"
            " optimizer.learning_rate: {log_uniform: [1.0e-4, 1.0e-2]}}"
        )
        start = "search.start=[{optimizer.learning_rate: 0.002}, {}]"
        overrides = ["search.tuner.name=grid", "search.trials=null", start]
        searched(known_spec(tmp_path, *overrides, space=space), folder)
        values = [values for _, values, _ in trials_of(folder)]
        assert len(values) == 1 + 2 * 3
        assert values[0] == {"loss.name": "dice", "optimizer.learning_rate": 0.002}
        assert values[1] == {"loss.name": "dice", "optimizer.learning_rate": 1e-4}
        assert json.loads((folder / "search.json").read_text())["end_reason"].startswith("all 6 ")

    def test_other_points_are_another_search(self, tmp_path, folder):
        searched(known_spec(tmp_path, START), folder)
        with pytest.raises(UserError, match=r"search\.start: it was "):
            searched(known_spec(tmp_path), folder)


class TestPatience:
    """Scores by hand: gains in trials 0 and 2, so two trials without one are 3 and 4."""

    def searched(self, tmp_path, folder, *overrides, scores=(0.5, 0.4, 0.6, 0.6, 0.55, 0.9)):
        spec = known_spec(tmp_path, "search.patience=2", *overrides)
        searched(spec, folder, lambda trial: Outcome(trial.id, scores[int(trial.id)]))
        return json.loads((folder / "search.json").read_text())

    def test_ends_the_search(self, tmp_path, folder):
        summary = self.searched(tmp_path, folder)
        assert len(summary["trials"]) == 5
        assert summary["end_reason"] == "search.patience: 2 trials without a gain"
        assert summary["budget"]["patience"] == 2

    def test_a_small_gain_is_none(self, tmp_path, folder):
        summary = self.searched(tmp_path, folder, "search.minimum_gain=0.1")
        assert len(summary["trials"]) == 3
        assert summary["end_reason"] == "search.patience: 2 trials without a gain of more than 0.1"
        assert summary["best"] == "0002"

    def test_more_patience_goes_on(self, tmp_path, folder):
        self.searched(tmp_path, folder)
        summary = self.searched(tmp_path, folder, "search.patience=3")
        assert len(summary["trials"]) == 6
        assert summary["end_reason"] == "search.trials: 6 trials"

    def test_is_a_budget(self, tmp_path, folder):
        summary = self.searched(tmp_path, folder, "search.trials=null")
        assert len(summary["trials"]) == 5

    def test_a_minimum_alone_is_refused(self, tmp_path):
        with pytest.raises(UserError, match="minimum_gain: without effect; give patience too"):
            known_spec(tmp_path, "search.minimum_gain=0.1")


class TestFailures:
    def test_a_failed_trial_is_recorded_and_never_the_best(self, spec, folder):
        def run(trial):
            if trial.id in {"0000", "0002", "0003", "0004"}:
                return Outcome(trial.id, None, "out of memory")
            return known_trial(spec)(trial)

        best = searched(spec, folder, run)
        assert best.trial.id in {"0001", "0005"}
        rows = json.loads((folder / "search.json").read_text())["trials"]
        assert [row["status"] for row in rows].count("failed") == 4
        assert rows[2]["reason"] == "out of memory"

    @pytest.mark.parametrize("name", TUNERS)
    def test_when_every_trial_fails_there_is_no_best(self, tmp_path, folder, name):
        spec = known_spec(tmp_path, f"search.tuner.name={name}")
        run = lambda trial: Outcome(trial.id, None, "diverged")  # noqa: E731
        with pytest.raises(RunFailedError, match="all failed"):
            searched(spec, folder, run)
        assert len(trials_of(folder)) == 6
        assert not (folder / "best.yaml").exists()

    def test_a_bug_stops_the_search_and_the_same_command_goes_on(self, spec, folder):
        def run(trial):
            if trial.id == "0003":
                raise KeyError("a bug")
            return known_trial(spec)(trial)

        with pytest.raises(KeyError, match="a bug"):
            searched(spec, folder, run)
        assert [row.id for row in read_trials(folder / "trials.jsonl").running] == ["0003"]
        searched(spec, folder)
        assert len(trials_of(folder)) == 6

    def test_a_value_that_a_component_refuses_after_all(self, tmp_path, folder):
        spec = known_spec(tmp_path, space="{tiling.size: {int: [32, 64], step: 32}}")
        spec.search.space["tiling.size"].whole[:] = [33, 40]
        with pytest.raises(UserError, match=r"trial 0000: tiling.*multiple of 32; narrow"):
            searched(spec, folder)

    def test_another_process_at_it(self, spec, folder):
        with RunFolder(folder).hold(), pytest.raises(BusyError):
            searched(spec, folder)


class TestAnotherSearch:
    @pytest.mark.parametrize(
        ("overrides", "said"),
        [
            (
                ["search.space.loss.gamma={float: [1.0, 4.0], when: {loss.name: [focal]}}"],
                (
                    'search.space.loss.gamma: it was {"float": [0.5, 4.0], "when": {"loss.name": '
                    '["focal"]}} and is {"float": [1.0, 4.0], "when": {"loss.name": ["focal"]}}'
                ),
            ),
            (
                ["search.space.optimizer.beta_1={float: [0.8, 0.9]}"],
                'search.space.optimizer.beta_1: {"float": [0.8, 0.9]} is new',
            ),
            (["search.tuner.name=bayesian"], "search.tuner.name: it was random and is bayesian"),
            (["search.seed=5"], "search.seed: it was 0 and is 5"),
            (["loss.name=focal"], "loss.name: it was dice and is focal"),
            (["training.epochs=3"], "training.epochs: it was 9 and is 3"),
        ],
    )
    def test_is_refused_by_name(self, tmp_path, folder, spec, overrides, said):
        searched(spec, folder)
        before = (folder / "trials.jsonl").read_bytes()
        with pytest.raises(UserError) as caught:
            searched(known_spec(tmp_path, *overrides), folder)
        assert said in str(caught.value).splitlines()[1:][0] + "".join(
            str(caught.value).splitlines()
        )
        assert "begin anew with --fresh" in str(caught.value)
        assert (folder / "trials.jsonl").read_bytes() == before

    def test_a_search_of_a_version_without_starting_points_goes_on(self, tmp_path, folder, spec):
        searched(known_spec(tmp_path, "search.trials=3"), folder)
        file = folder / "trials.jsonl"
        events = [json.loads(line) for line in file.read_text().splitlines()]
        new = ("search.start", "search.reuse", "search.objective")
        for key in new:
            assert key in events[0]["identity"]
            del events[0]["identity"][key]
        file.unlink()
        trials = Trials(file)
        for event in events:
            trials._append({key: value for key, value in event.items() if key != "check"})
        searched(spec, folder)
        assert len(trials_of(folder)) == 6
        with pytest.raises(UserError, match=r"search\.start: .* is new"):
            searched(known_spec(tmp_path, START), folder)

    def test_every_difference_is_named(self, tmp_path, folder, spec):
        searched(spec, folder)
        with pytest.raises(UserError) as caught:
            searched(known_spec(tmp_path, "search.seed=5", "training.batch_size=8"), folder)
        assert len(str(caught.value).splitlines()) == 4

    def test_other_data(self, spec, folder):
        searched(spec, folder)
        with pytest.raises(UserError, match="the content of the data set"):
            search(spec, folder, None, digest="other")

    def test_what_changes_no_score_is_free(self, tmp_path, folder, spec):
        searched(spec, folder)
        free = ["question=Why?", "tracking.name=comet", "data.root=elsewhere", "search.epochs=99"]
        searched(known_spec(tmp_path, *free), folder)
        assert len(trials_of(folder)) == 6


def killed_at(monkeypatch, number, place):
    """Die at the journal's so-manyth line: before it, after it, or with half of it written."""
    append, calls = Trials._append, Counter()

    def dying(trials, event):
        calls["lines"] += 1
        if calls["lines"] != number:
            return append(trials, event)
        if place == "after":
            append(trials, event)
        if place == "torn":
            with trials.path.open("a") as stream:
                stream.write(json.dumps(event)[: len(json.dumps(event)) // 2])
        raise Killed

    monkeypatch.setattr(Trials, "_append", dying)


def assert_resumes(tmp_path, folder, monkeypatch, name, number, place, *overrides):
    trials = 8 if name == "hyperband" else 6
    budget = [f"search.tuner.name={name}", f"search.trials={trials}"]
    spec = known_spec(tmp_path, *budget, *overrides)
    whole = searched(spec, tmp_path / "whole")
    runs = Counter()

    def run(trial):
        runs[trial.id] += 1
        return known_trial(spec)(trial)

    with monkeypatch.context() as patch:
        killed_at(patch, number, place)
        with pytest.raises(Killed):
            searched(spec, folder, run)
    assert searched(spec, folder, run) == whole
    assert trials_of(folder) == trials_of(tmp_path / "whole")
    assert (folder / "best.yaml").read_text().splitlines()[1:] == (
        tmp_path / "whole" / "best.yaml"
    ).read_text().splitlines()[1:]
    # A trial whose end was not yet written down is run again (its run folder is finished already).
    assert sum(runs.values()) <= trials + 1
    assert set(runs.values()) <= {1, 2}


# Line 1 opens; trial t is proposed in line 2 t + 2 and ended in line 2 t + 3.
@pytest.mark.parametrize("name", TUNERS)
@pytest.mark.parametrize(("number", "place"), [(6, "after"), (9, "torn"), (11, "before")])
def test_a_killed_search_goes_on_as_if_undisturbed(
    tmp_path, folder, monkeypatch, name, number, place
):
    assert_resumes(tmp_path, folder, monkeypatch, name, number, place)


@pytest.mark.parametrize("name", TUNERS)
@pytest.mark.parametrize(("number", "place"), [(1, "after"), (5, "torn"), (10, "after")])
def test_starting_points_and_patience_survive_a_kill(
    tmp_path, folder, monkeypatch, name, number, place
):
    assert_resumes(tmp_path, folder, monkeypatch, name, number, place, START, "search.patience=3")


@pytest.mark.slow
@pytest.mark.parametrize("name", TUNERS)
@pytest.mark.parametrize("number", range(1, 14))
@pytest.mark.parametrize("place", ["before", "torn", "after"])
def test_killed_at_every_line(tmp_path, folder, monkeypatch, name, number, place):
    assert_resumes(tmp_path, folder, monkeypatch, name, number, place)


def test_killed_between_the_journal_and_best_yaml(tmp_path, folder, spec, monkeypatch):
    whole = searched(spec, tmp_path / "whole")
    number = 2 * int(whole.trial.id) + 3  # the line with which the best trial ends
    with monkeypatch.context() as patch:
        killed_at(patch, number, "after")
        with pytest.raises(Killed):
            searched(spec, folder)
    assert searched(spec, folder) == whole
    assert yaml.safe_load((folder / "best.yaml").read_text()) == yaml.safe_load(
        (tmp_path / "whole" / "best.yaml").read_text()
    )


def killed_by_signal(spec, folder, after):
    """Search in a process of its own, killed after so many seconds; whether it was."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

        def run(trial):
            time.sleep(0.03)
            return known_trial(spec)(trial)

        try:
            searched(spec, folder, run)
        finally:
            os._exit(0)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


@pytest.mark.parametrize(
    "wanted", [pytest.param(3, id="3"), pytest.param(25, id="25", marks=pytest.mark.slow)]
)
def test_sigkill_at_random_points(tmp_path, folder, wanted):
    spec = known_spec(tmp_path, "search.tuner={name: bayesian, initial: 3}")
    began = time.monotonic()
    whole = searched(spec, tmp_path / "whole")
    usual, draw = time.monotonic() - began + 0.2, random.Random(0)
    kills, unfinished = 0, 0
    for attempt in range(10 * wanted):
        place = folder.with_name(f"search-{attempt}")
        if not killed_by_signal(spec, place, draw.uniform(0, usual)):
            continue
        kills += 1
        if (place / "trials.jsonl").exists():
            unfinished += 0 < len(read_trials(place / "trials.jsonl").outcomes) < 6
        assert searched(spec, place) == whole
        assert trials_of(place) == trials_of(tmp_path / "whole")
        if kills >= wanted and unfinished:
            return
    pytest.fail(f"{kills} kills, {unfinished} of them in the midst of a search")
