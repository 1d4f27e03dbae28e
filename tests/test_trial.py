"""Trials that really train, in seconds, through the command line and by hand."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from steelexp import experiment, trial
from steelexp.__main__ import main
from steelexp.cores import available_cores
from steelexp.errors import UserError
from steelexp.lazy import tf
from steelexp.plan import SpecModel, prepare
from steelexp.progress import say, take_printed
from steelexp.records.search_file import best_line
from steelexp.records.store import Epoch, RunFolder, run_folders
from steelexp.search.executor import Trial
from steelexp.search.process_executor import ProcessExecutor
from steelexp.search.search import trial_spec
from steelexp.spec import ExperimentSpec, load
from steelexp.tracking.tracker import TrackedTrial
from steelexp.training import checkpoint
from steelexp.training.fit import DivergedError
from steelexp.trial import TrialRunner, tracked_trial
from tests.fake_trials import wait_for_epoch
from tests.fakes import compiled
from tests.finished_runs import finished

SPEC = """\
name: tiny
data: {source: mask_folder, root: ROOT, classes: ["1", "2"]}
split: {kind: random, val: 0.4, seed: 3}
tiling: {kind: whole}
model: {architecture: unet, backbone: mobilenet, weights: none,
        batch_norm_momentum: 0.9, decoder_filters: [8, 8, 8, 8, 8]}
loss: {name: bce_dice}
optimizer: {name: adam, learning_rate: 1.0e-3}
training: {epochs: 2, batch_size: 3, monitor: val_dice_kaggle, overlays: 0}
tracking: {name: none}
seed: 1
search:
  tuner: {name: grid}
  space:
    loss.name: {choice: [bce_dice, focal]}
    loss.gamma: {choice: [2.0], when: {loss.name: [focal]}}
"""


@pytest.fixture(scope="module")
def spec_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten images of 64 x 64 with a square of one of two classes."""
    root, draw = tmp_path_factory.mktemp("tiny"), np.random.default_rng(0)
    for folder in ("images", "masks"):
        (root / folder).mkdir()
    for number in range(10):
        values = np.zeros((64, 64), np.uint8)
        values[16:48, 16:48] = number % 2 + 1
        surface = (80 * values + draw.integers(0, 60, values.shape)).astype(np.uint8)
        cv2.imwrite(str(root / "masks" / f"{number}.png"), values)
        cv2.imwrite(str(root / "images" / f"{number}.png"), surface)
    path = root / "tiny.yaml"
    path.write_text(SPEC.replace("ROOT", str(root)))
    return path


@pytest.fixture
def spec(spec_file: Path) -> ExperimentSpec:
    return load(spec_file, model=SpecModel)


def runner(spec: ExperimentSpec, folder: Path) -> TrialRunner:
    return TrialRunner(spec.model_dump(mode="json"), folder)


def test_a_search_from_the_command_line(
    spec_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    command = ["run", str(spec_file), "--runs", str(runs), "training.epochs=1"]
    assert main(command) == 0
    folder = runs / "tiny" / "search"
    out = capsys.readouterr().out.splitlines()
    assert out[-3:] == [
        f"Best spec: {folder}/best.yaml",
        f"Run it: {best_line(folder)}",
        f"Report: {folder}/report.html",
    ]
    summary = json.loads((folder / "search.json").read_text())
    assert [t["values"]["loss.name"] for t in summary["trials"]] == ["bce_dice", "focal"]
    for row in summary["trials"]:
        record = RunFolder(folder / row["folder"]).record
        assert record is not None
        assert record.name == f"tiny-{row['id']}"
        assert row["score"] == pytest.approx(record.metrics["val_dice_kaggle"], abs=1e-6)
        assert (row["epochs"], row["trained"], row["best_epoch"]) == (1, 1, 1)

    # The same command says so again and trains nothing.
    before = (folder / "trials.jsonl").read_bytes()
    assert main(command) == 0
    assert capsys.readouterr().out.splitlines()[-3:] == out[-3:]
    assert (folder / "trials.jsonl").read_bytes() == before

    # A trial's damaged file is written again where it lies.
    trial_run = folder / summary["trials"][0]["folder"]
    described = (trial_run / "run.json").read_bytes()
    (trial_run / "run.json").write_bytes(described[:-9])
    assert tracked_trial(trial_run) == TrackedTrial("tiny", "0000", {"loss.name": "bce_dice"})
    assert tracked_trial(folder) is None
    assert main(["run", str(trial_run)]) == 0
    assert (trial_run / "run.json").read_bytes() == described

    # The best spec is the best trial's run, and scores the same.
    assert main(["run", str(folder / "best.yaml"), "--runs", str(runs)]) == 0
    (again,) = run_folders(runs / "tiny-best")
    (best,) = [row for row in summary["trials"] if row["id"] == summary["best"]]
    assert again.path.name == Path(best["folder"]).name
    assert again.record is not None
    metrics = RunFolder(folder / best["folder"]).record.metrics  # type: ignore[union-attr]
    assert again.record.metrics == metrics

    # A trial is no run of its own, and what is refused moves nothing.
    assert main(["run", str(trial_run), "--fresh"]) == 2
    assert "--fresh: a trial is begun anew with its search" in capsys.readouterr().err
    assert main([*command, "search.objective=val_dice_positive/7", "--fresh"]) == 2
    assert "the data set has no class 7" in capsys.readouterr().err
    assert (folder / "trials.jsonl").read_bytes() == before
    assert (trial_run / "record.json").is_file()

    assert main([*command, "search.seed=4"]) == 2
    assert "search.seed: it was 0 and is 4" in capsys.readouterr().err
    assert main([*command, "search.seed=4", "search.hours=1.0e-9", "--fresh"]) == 1
    assert "no trial was finished: none fitted into the budget" in capsys.readouterr().err
    assert (runs / "tiny" / "search.old-1" / "search.json").is_file()
    assert json.loads((folder / "search.json").read_text())["trials"] == []
    assert len(list(run_folders(runs))) == 1  # the best one's; not what is set aside


@pytest.mark.slow  # four trainings, all in processes of their own
def test_in_processes_the_trials_are_the_same(spec_file: Path, tmp_path: Path) -> None:
    command = ["run", str(spec_file), "training.epochs=1", "--runs"]
    # Each of two processes has one core of two. TensorFlow takes its number once a process.
    alone_words = [sys.executable, "-m", "steelexp", *command, str(tmp_path / "alone")]
    subprocess.run(alone_words, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    words = ["--executor", "processes", "--workers", str(available_cores())]
    assert main([*command, str(tmp_path / "beside"), *words]) == 0
    searches = [tmp_path / runs / "tiny" / "search" for runs in ("alone", "beside")]
    alone, beside = (
        {trial["id"]: (trial["values"], trial["score"], trial["folder"]) for trial in found}
        for found in (json.loads((s / "search.json").read_text())["trials"] for s in searches)
    )
    assert beside == alone
    text = (searches[1] / "trials" / "0000" / "output.txt").read_text()
    assert "epoch 1" in text.lower()


@pytest.mark.slow  # two trainings, one of them in two processes
def test_a_training_whose_process_is_killed_is_what_it_would_be(
    spec: ExperimentSpec, tmp_path: Path
) -> None:
    search = tmp_path / "search"
    first, second = (Trial(number, {"loss.name": "bce_dice"}, epochs=3) for number in "01")
    executor = ProcessExecutor(runner(spec, search), workers=2, folder=search)
    try:
        executor.submit(first)
        executor.submit(second)
        digest = prepare(trial_spec(spec, first), tmp_path).digest
        wait_for_epoch(search / "trials" / "0" / digest)
        (process,) = [w.process for w in executor._running.values() if w.attempt.trial is first]
        process.kill()
        outcomes = {outcome.trial: outcome for outcome in (executor.next(), executor.next())}
    finally:
        executor.close()
    killed, whole = (RunFolder(search / outcomes[number].folder) for number in "01")
    assert [each.metrics for each in killed.epochs] == [each.metrics for each in whole.epochs]
    assert outcomes["0"].score == outcomes["1"].score
    assert (search / "trials" / "0" / "output.txt").stat().st_size > 0


@pytest.mark.slow  # three trainings; tests/search has the ladder of a Hyperband search
def test_a_continued_trial_is_what_one_long_run_would_be(
    spec: ExperimentSpec, tmp_path: Path
) -> None:
    values = {"loss.name": "focal", "loss.gamma": 2.0}
    run = runner(spec, tmp_path / "search")
    first = run(Trial("0000", values, epochs=1))
    second = run(Trial("0001", values, epochs=2, continues="0000"))
    long = run(Trial("0002", values, epochs=2))
    assert (first.epochs, first.trained) == (1, 1)
    assert (second.epochs, second.trained) == (2, 1)
    assert (long.epochs, long.trained) == (2, 2)
    ours, whole = (RunFolder(tmp_path / "search" / o.folder) for o in (second, long))
    assert [e.metrics for e in ours.epochs] == [e.metrics for e in whole.epochs]
    assert second.score == long.score
    assert ours.path.name == whole.path.name  # the same digest
    assert {path.name for path in ours.path.iterdir()} == {p.name for p in whole.path.iterdir()}
    assert "epochs: 2" in (ours.path / "spec.yaml").read_text()


class Killed(BaseException):
    """In place of SIGKILL."""


@pytest.mark.parametrize("call", [1, 2])
def test_a_kill_while_weights_are_handed_on(
    spec: ExperimentSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    earlier = finished(tmp_path / "trials" / "0000" / "ab", digest="ab")
    epoch = Epoch(1, step=2, seconds=1.0, metrics={"loss": 0.5})
    network = compiled()
    earlier.append(epoch)
    for path in (earlier.best_weights, earlier.last_weights):
        checkpoint.save(path, network, [epoch], "ab")
    earlier.finish(earlier.finished_record())
    continued = Trial("0001", {}, epochs=2, continues="0000")
    run = RunFolder(tmp_path / "trials" / "0001" / "cd")
    plan = replace(prepare(spec, tmp_path), folder=run)
    copy, calls = checkpoint.copy_to_run, []

    def dying(source: Path, target: Path, **digests: str) -> None:
        calls.append(target)
        if len(calls) == call:
            raise Killed
        copy(source, target, **digests)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "copy_to_run", dying)
        with pytest.raises(Killed):
            trial._inherit(tmp_path, continued, plan)
    assert not run.last_weights.exists()  # or the run would be resumed without its history
    assert trial._inherit(tmp_path, continued, plan) == 1
    assert checkpoint.epochs_of(run.last_weights, plan.digest) == run.epochs == [epoch]
    run.last_weights.write_text("further")
    trial._inherit(tmp_path, continued, plan)
    assert run.last_weights.read_text() == "further"


@pytest.mark.parametrize("left", ["weights/previous.h5", "record.json"])
def test_a_trial_that_went_on_inherits_nothing_again(
    spec: ExperimentSpec, tmp_path: Path, left: str
) -> None:
    finished(tmp_path / "trials" / "0000" / "ab", digest="ab")
    run = RunFolder(tmp_path / "trials" / "0001" / "cd")
    run.best_weights.parent.mkdir(parents=True)
    for name in (left, "weights/best.h5"):
        (run.path / name).write_text("of the second epoch")
    plan = replace(prepare(spec, tmp_path), folder=run)
    trial._inherit(tmp_path, Trial("0001", {}, epochs=2, continues="0000"), plan)
    assert run.best_weights.read_text() == "of the second epoch"


@pytest.mark.parametrize("digests", [[], ["ab", "cd"]])
def test_a_continued_trial_without_its_finished_run_is_named(
    spec: ExperimentSpec, tmp_path: Path, digests: list[str]
) -> None:
    for digest in digests:
        finished(tmp_path / "trials" / "0000" / digest, digest=digest)
    said = f"trials/0000: {len(digests)} finished runs, and another trial goes on from one; restore"
    with pytest.raises(UserError, match=said):
        trial._inherit(
            tmp_path, Trial("0001", {}, epochs=2, continues="0000"), prepare(spec, tmp_path)
        )


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (DivergedError("tiny-0000: loss is nan"), "tiny-0000: loss is nan"),
        (MemoryError("no\nmore"), "out of memory: no more"),
        (tf.errors.ResourceExhaustedError(None, None, "OOM"), "out of memory: OOM"),
    ],
)
def test_what_fails_a_trial(
    spec: ExperimentSpec,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    reason: str,
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(experiment, "run", fails)
    outcome = runner(spec, tmp_path)(Trial("0000", {}))
    assert (outcome.score, outcome.reason) == (None, reason)


def test_a_trial_is_tracked_as_part_of_its_search(
    spec: ExperimentSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracked = []

    def fails(*_: object, trial: TrackedTrial, **__: object) -> None:
        tracked.append(trial)
        raise MemoryError

    monkeypatch.setattr(experiment, "run", fails)
    runner(spec, tmp_path)(Trial("0007", {"optimizer.learning_rate": 0.1}))
    assert tracked == [TrackedTrial(spec.name, "0007", {"optimizer.learning_rate": 0.1})]


def test_lines_of_the_search_are_not_those_of_a_trial(
    spec: ExperimentSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        say("epoch 1")
        raise MemoryError

    monkeypatch.setattr(experiment, "run", fails)
    say("trial 0006: val_dice_kaggle 0.5")
    runner(spec, tmp_path)(Trial("0007", {}))
    lines = take_printed()
    assert lines[-1] == "epoch 1"
    assert not any("trial 0006" in line for line in lines)


def test_a_bug_is_raised(
    spec: ExperimentSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(experiment, "run", fails)
    with pytest.raises(KeyError, match="a bug"):
        runner(spec, tmp_path)(Trial("0000", {}))


def test_the_digest_is_that_of_the_spec_without_a_search(
    spec: ExperimentSpec, tmp_path: Path
) -> None:
    plain = trial_spec(spec, Trial("0000", {}))
    assert prepare(plain, tmp_path).digest == prepare(spec, tmp_path).digest


def test_dry_run_shows_the_space_and_the_budget(
    spec_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", str(spec_file), "--dry-run", "--runs", str(tmp_path / "runs")]
    assert main([*words, "search.hours=2"]) == 0
    out = capsys.readouterr().out
    assert "  search      grid: val_dice_kaggle is to be large\n" in out
    assert "  budget      at most 2 trials, 2 hours, each at most 2 epochs\n" in out
    assert "  space       loss.gamma: one of 2, only when loss.name is focal\n" in out
    assert f"  results     {tmp_path}/runs/tiny/search\n" in out
    assert not (tmp_path / "runs").exists()
    assert main([*words, "search.objective=val_dice_positive/7"]) == 2
    assert "the data set has no class 7" in capsys.readouterr().err
    larger = "search.space={optimizer.learning_rate: {log_uniform: [1.0e-4, 1.0e-2]}}"
    assert main([*words, "search.tuner={name: hyperband}", "training.epochs=9", larger]) == 0
    assert "at most 23 trials, at most 75 epochs\n" in capsys.readouterr().out


def test_seeds_are_not_for_a_search(spec_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(spec_file), "--seeds", "0,1"]) == 2
    assert "--seeds: a search has one seed" in capsys.readouterr().err
