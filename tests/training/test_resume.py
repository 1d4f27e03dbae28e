"""The state of a run after kills, damages and power cuts, on a network of a few weights."""

import errno
import os
import shutil

import numpy as np
import pytest

from steelexp.errors import UserError
from steelexp.records import jsonl
from steelexp.records.store import Epoch, RunFolder
from steelexp.training import checkpoint
from steelexp.training.resume import resume, save_epoch, saved_epochs
from tests.damages import Outcome, damages, write_table
from tests.fakes import compiled
from tests.power_cuts import record

RUN = "3f9c1a7e"
SCORES = [0.1, 0.4, 0.3, 0.2, 0.5, 0.45]
"""Score of each epoch; the second is the best for long."""


def best_epoch(epochs):
    scores = [epoch.metrics["score"] for epoch in epochs]
    return scores.index(max(scores)) + 1


def train(folder, model, epochs, *, until, mark=lambda _: None):
    """Go on with a run to an epoch; the weights follow from the number of the epoch alone."""
    epochs = list(epochs)
    while len(epochs) < until:
        number = len(epochs) + 1
        for weight in model.weights:
            weight.assign(np.full(weight.shape, number))
        epochs.append(Epoch(number, 4 * number, 1.5, {"score": SCORES[number - 1]}))
        best = best_epoch(epochs) == number
        save_epoch(folder, model, epochs, best=best, digest=RUN)
        mark(str(number))
    return epochs


def begun(path):
    folder = RunFolder(path)
    folder.describe(RUN, {"spec.yaml": "name: b4_dice\n"})
    return folder


@pytest.fixture(scope="module")
def model():
    return compiled()


@pytest.fixture(scope="module")
def whole(tmp_path_factory, model):
    """A run after five epochs: best.h5 is of the fifth, previous.h5 of the fourth."""
    folder = begun(tmp_path_factory.mktemp("whole") / "run")
    train(folder, model, [], until=5)
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    shutil.copytree(whole.path, tmp_path / "run")
    return RunFolder(tmp_path / "run")


def check(folder, model, at_least, at_most):
    """Check that a run resumes from an undisturbed state; return its epochs."""
    epochs = resume(folder, best_epoch, digest=RUN)
    assert at_least <= len(epochs) <= at_most
    assert [epoch.metrics["score"] for epoch in epochs] == SCORES[: len(epochs)]
    assert folder.epochs == epochs
    if epochs:
        for path, number in (
            (folder.last_weights, len(epochs)),
            (folder.best_weights, best_epoch(epochs)),
        ):
            checkpoint.restore(path, model, RUN)
            assert {float(weight.numpy().flat[0]) for weight in model.weights} == {number}
    return epochs


def test_an_undisturbed_run_changes_nothing(folder, model, capsys):
    before = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    check(folder, model, 5, 5)
    assert before == {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    assert capsys.readouterr().out == ""


def test_a_new_run_has_no_epochs(tmp_path):
    assert resume(begun(tmp_path), best_epoch, digest=RUN) == []


def test_a_damaged_last_checkpoint_is_replaced_by_the_best_of_the_same_epoch(folder, model, capsys):
    folder.last_weights.write_bytes(b"x")
    check(folder, model, 5, 5)
    assert capsys.readouterr().out == (
        f"{folder.last_weights}: not a checkpoint of this version of steelexp, or damaged; "
        "best.h5 takes its place\n"
    )


def test_a_last_checkpoint_on_a_bad_sector_is_damaged(folder, model, capsys, monkeypatch):
    read = checkpoint.read_regular
    is_bad = [True]

    def failing(path, most):
        if path == folder.last_weights and is_bad:
            is_bad.clear()  # the file that takes its place is on another sector
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return read(path, most)

    monkeypatch.setattr(checkpoint, "read_regular", failing)
    check(folder, model, 5, 5)
    assert capsys.readouterr().out == (
        f"{folder.last_weights}: damaged: Input/output error; best.h5 takes its place\n"
    )


def test_epochs_on_a_bad_sector_are_written_again(folder, model, capsys, monkeypatch):
    read = jsonl.open_regular
    bad = folder.epochs_file.stat().st_ino

    def failing(path, most):
        if path.stat().st_ino == bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return read(path, most)

    monkeypatch.setattr(jsonl, "open_regular", failing)
    check(folder, model, 5, 5)
    assert capsys.readouterr().out == (
        f"{folder.epochs_file}: cannot be read: Input/output error; make it readable for this "
        "account; written again from last.h5. The damaged file is kept as epochs.jsonl.damaged-1\n"
    )
    assert (folder.path / "epochs.jsonl.damaged-1").stat().st_ino == bad


def test_the_saved_epochs_are_those_of_the_latest_whole_checkpoint(folder):
    assert saved_epochs(folder, digest=RUN) == 5
    for path in (folder.last_weights, folder.best_weights):
        path.write_bytes(b"x")
    assert saved_epochs(folder, digest=RUN) == 4
    folder.previous_weights.unlink()
    assert saved_epochs(folder, digest=RUN) == 0


def test_without_it_the_one_before_takes_its_place_and_an_epoch_is_named(folder, model, capsys):
    train(folder, model, folder.epochs, until=6)  # the sixth is not the best
    folder.last_weights.write_bytes(b"x")
    check(folder, model, 5, 5)
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("of this version of steelexp, or damaged; previous.h5 takes its place")
    assert second == (
        f"{folder.epochs_file}: not the epochs of last.h5; written again from last.h5. The damaged "
        "file is kept as epochs.jsonl.damaged-1"
    )
    kept = folder.epochs_file.with_name("epochs.jsonl.damaged-1")
    assert kept.read_bytes().count(b"\n") == 6


def test_a_best_checkpoint_that_nothing_else_holds_is_named(tmp_path, model):
    folder = begun(tmp_path / "run")
    train(folder, model, [], until=4)  # the second is the best
    folder.best_weights.write_bytes(b"x")
    said = r"best\.h5: not a checkpoint .*; restore it \(it is of epoch 2\), or begin anew"
    with pytest.raises(UserError, match=said):
        resume(folder, best_epoch, digest=RUN)


def test_epochs_without_any_checkpoint_are_named(folder):
    shutil.rmtree(folder.last_weights.parent)
    with pytest.raises(UserError, match=r"it has epochs and no last\.h5; restore a checkpoint"):
        resume(folder, best_epoch, digest=RUN)


@pytest.mark.parametrize(
    "name",
    ["epochs.jsonl", "weights/last.h5", "weights/previous.h5", "weights/best.h5", "run.json"],
)
def test_damages_are_mended_or_named(whole, tmp_path, model, name, capsys):
    other = begun(tmp_path / "other")
    other.describe("00000000", {"spec.yaml": "name: other\n"})
    for epoch in range(1, 4):
        other.append(Epoch(epoch, epoch, 1.0, {"score": 0.0}))
    for path in (other.last_weights, other.best_weights, other.previous_weights):
        checkpoint.save(path, model, other.epochs, "00000000")
    rng = np.random.default_rng(0)
    outcomes = []
    for number, damage in enumerate(damages(whole.path / name, rng, other=other.path / name)):
        folder = RunFolder(tmp_path / str(number))
        shutil.copytree(whole.path, folder.path)
        damage.apply(folder.path / name)
        begun(folder.path)  # as a run does first
        check(folder, model, 4, 5)
        said = capsys.readouterr().out
        train(folder, model, folder.epochs, until=6)
        assert best_epoch(folder.epochs) == 5
        outcomes.append(Outcome(name, damage.name, "mended" if said else "gone on without it"))
    write_table(outcomes)


@pytest.mark.parametrize("count", [100, pytest.param(600, marks=pytest.mark.slow)])
def test_power_cuts(tmp_path, model, count):
    with record(tmp_path / "run") as trace:
        folder = begun(trace.folder)
        train(folder, model, [], until=6, mark=trace.mark)
    places = set()
    for number, cut in enumerate(trace.cuts(np.random.default_rng(0), count)):
        folder = RunFolder(tmp_path / f"cut{number}")
        cut.restore(folder.path)
        begun(folder.path)
        acknowledged = len(cut.marks)
        epochs = check(folder, model, acknowledged, acknowledged + 1)
        places.add((acknowledged, len(epochs)))
        if number % 20 == 0:
            train(folder, model, epochs, until=6)
            assert check(folder, model, 6, 6) == train(folder, model, folder.epochs, until=6)
        shutil.rmtree(folder.path, ignore_errors=True)
    assert {(n, n) for n in range(7)} < places  # at all times
    assert any(found > known for known, found in places)  # saved, and not yet acknowledged


def test_the_recorder_finds_what_is_not_written_through(tmp_path, model, monkeypatch):
    """Without fsync, power cuts lose epochs that were acknowledged."""
    from steelexp.records import atomic

    monkeypatch.setattr(atomic, "sync_open", lambda number: None)
    with record(tmp_path / "run") as trace:
        train(begun(trace.folder), model, [], until=3, mark=trace.mark)
    lost = 0
    for number, cut in enumerate(trace.cuts(np.random.default_rng(0), 60)):
        folder = RunFolder(tmp_path / f"cut{number}")
        cut.restore(folder.path)
        try:
            begun(folder.path)
            lost += len(resume(folder, best_epoch, digest=RUN)) < len(cut.marks)
        except (UserError, OSError):
            lost += 1
    assert lost > 10
