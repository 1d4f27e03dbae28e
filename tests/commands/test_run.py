"""Which specs `run` takes, and which options it refuses because they have no effect."""

import pytest

from steelexp.__main__ import main
from steelexp.data.dataset import DataError
from steelexp.progress import say, take_printed
from tests.finished_runs import finished
from tests.test_main import SPEC

SEARCH = "search: {tuner: {name: grid}, space: {loss.name: {choice: [dice, focal]}}}\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """experiments/ with two specs and a search between them."""
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "a.yaml").write_text(SPEC)
    (tmp_path / "experiments" / "b.yaml").write_text(f"extends: a.yaml\nname: b\n{SEARCH}")
    (tmp_path / "experiments" / "c.yaml").write_text("extends: a.yaml\nname: c\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def prepared(monkeypatch):
    """Name and seed of every spec that is begun or previewed; none goes on."""
    started = []

    def prepare(spec, runs):
        started.append((spec.name, spec.seed))
        raise DataError("no data")

    for module in ("extended_plan", "preview"):
        monkeypatch.setattr(f"steelexp.commands.{module}.prepare", prepare)
    return started


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_a_folder_with_seeds_leaves_its_searches_out_by_name(folder, prepared, capsys, options):
    assert main(["run", "experiments", "--seeds", "0,1", *options]) == 1
    assert prepared == [("good", 0), ("good", 1), ("c", 0), ("c", 1)]
    out, err = capsys.readouterr()
    message = "left out, because a search has one seed; run it without --seeds"
    assert out.splitlines()[0] == f"experiments/b.yaml: {message}"
    assert err.splitlines()[0] == "steelexp: good, seed 0: no data"
    assert len(err.splitlines()) == 4


def test_without_seeds_the_search_is_among_them(folder, prepared):
    main(["run", "experiments", "--dry-run"])
    assert prepared == [("good", 1), ("b", 1), ("c", 1)]


def test_a_spec_that_is_named_twice_is_run_once(folder, prepared):
    main(["run", "experiments/a.yaml", "experiments"])
    assert [name for name, _ in prepared] == ["good", "b", "c"]


def test_a_file_with_an_equals_sign_is_a_spec(folder, prepared):
    (folder / "lr=3").mkdir()
    (folder / "lr=3" / "a.yaml").write_text(SPEC)
    main(["run", "lr=3/a.yaml", "seed=8"])
    assert prepared == [("good", 8)]


RAY = "--executor ray --workers 2"
WITHOUT_EFFECT = {
    "experiments/b.yaml --seeds 0,1": (
        "experiments/b.yaml: --seeds: a search has one seed; leave --seeds out, then run its "
        "best.yaml with several"
    ),
    "experiments/a.yaml seed=5 --seeds 0,1": (
        "seed=5: without effect beside --seeds 0,1; leave one of them out"
    ),
    "experiments/a.yaml --fresh --dry-run": (
        "--fresh: without effect beside --dry-run; leave one of them out"
    ),
    "experiments/a.yaml --profile --dry-run": (
        "--profile: without effect beside --dry-run; leave one of them out"
    ),
    "experiments/b.yaml --profile": "--profile: b is a search; profile a single run",
    "experiments/a.yaml --profile training.workers=2": (
        "--profile: good has 2 workers; profile a run with training.workers=1"
    ),
    f"experiments/a.yaml {RAY}": (
        "--executor ray: without effect, no spec here has a search; several workers of Ray train "
        "one network with training.workers=N"
    ),
    "experiments/b.yaml --executor ray": (
        "--executor ray: give the number of trials at once: --workers N"
    ),
    "experiments/b.yaml --workers 2 --gpus-per-trial 1": (
        "--workers, --gpus-per-trial: without effect with --executor local; write --executor ray"
    ),
    "experiments/b.yaml --workers 2": (
        "--workers: without effect with --executor local; write --executor processes"
    ),
    "experiments/b.yaml --executor processes": (
        "--executor processes: give the number of trials at once: --workers N"
    ),
    "experiments/b.yaml --executor processes --workers 2 --address auto": (
        "--address: without effect with --executor processes; write --executor ray"
    ),
    "experiments/a.yaml --address auto": (
        "--address: without effect with --executor local; write --executor ray"
    ),
}


@pytest.mark.parametrize("words", WITHOUT_EFFECT)
def test_an_option_without_effect_is_refused(folder, prepared, capsys, words):
    assert main(["run", *words.split()]) == 2
    assert capsys.readouterr().err == f"steelexp: {WITHOUT_EFFECT[words]}\n"
    assert prepared == []


TRIAL_ALERTS = "tracking={name: comet, mode: offline, trial_alerts: [finished]}"


def test_alerts_of_trials_without_a_search_are_refused(folder, prepared, capsys):
    said = (
        "tracking.trial_alerts: without effect, the spec has no search; leave it out, or make it "
        "empty: tracking.trial_alerts=[]"
    )
    assert main(["run", "experiments/a.yaml", TRIAL_ALERTS]) == 2
    assert f"experiments/a.yaml: {said}" in capsys.readouterr().err
    assert main(["run", "experiments/b.yaml", TRIAL_ALERTS, "--dry-run"]) == 2
    assert main(["run", "experiments/a.yaml", TRIAL_ALERTS, "tracking.trial_alerts=[]"]) == 2
    assert prepared == [("b", 1), ("good", 1)]
    (folder / "experiments" / "a.yaml").write_text(
        SPEC.replace("tracking: {name: none}", TRIAL_ALERTS.replace("=", ": "))
    )
    capsys.readouterr()
    assert main(["check", "experiments"]) == 2
    out, err = capsys.readouterr()
    assert "experiments/b.yaml: ok" in out
    assert f"experiments/a.yaml: {said}" in err
    assert f"experiments/c.yaml: {said}" in err


def test_only_searches_leave_nothing_for_seeds(folder, prepared, capsys):
    (folder / "experiments" / "c.yaml").unlink()
    (folder / "experiments" / "b.yaml").rename(folder / "experiments" / "search.yaml")
    (folder / "experiments" / "a.yaml").rename(folder / "a.yaml")
    text = (folder / "experiments" / "search.yaml").read_text()
    (folder / "experiments" / "search.yaml").write_text(text.replace("a.yaml", "../a.yaml"))
    assert main(["run", "experiments", "--seeds", "0"]) == 2
    message = "steelexp: experiments: only searches below; run them without --seeds\n"
    assert capsys.readouterr().err == message


@pytest.mark.parametrize(
    "words",
    [
        f"experiments/b.yaml {RAY} --address auto",
        f"experiments {RAY}",
        "experiments/b.yaml --executor processes --workers 2",
        "experiments/a.yaml training.workers=2 --address auto",
    ],
)
def test_options_that_have_an_effect_are_taken(folder, prepared, words):
    main(["run", *words.split()])
    assert prepared


def test_the_last_lines_of_a_run_are_not_of_the_next(folder, monkeypatch):
    printed = []

    def prepare(spec, runs):
        printed.append(take_printed())
        say(f"the last line of {spec.name}")
        raise DataError("no data")

    monkeypatch.setattr("steelexp.commands.extended_plan.prepare", prepare)
    main(["run", "experiments/a.yaml", "experiments/c.yaml"])
    assert [line[:13] for line in printed[1]] == ["--- 2 of 2: c"]


def test_a_stopped_run_says_which_command_goes_on(folder, monkeypatch, capsys):
    def prepare(spec, runs):
        raise KeyboardInterrupt

    monkeypatch.setattr("steelexp.commands.extended_plan.prepare", prepare)
    assert main(["run", "experiments/a.yaml", "--fresh"]) == 130
    message = "stopped; the same command without --fresh goes on from here"
    assert message in capsys.readouterr().err


def test_a_finished_run_with_more_epochs_is_told_the_way(tmp_path, capsys):
    folder = finished(tmp_path / "run")
    assert main(["run", str(folder.path), "training.epochs=9"]) == 2
    assert capsys.readouterr().err == (
        f"steelexp: {folder.path}: a run folder goes on as it began; leave out training.epochs=9, "
        f"or run it as another experiment with {folder.path / 'spec.yaml'} and, for more epochs of "
        f"it, model.start={folder.path} model.start_at=continue\n"
    )
