"""Damaged journals and receipts: nothing is sent twice or wrongly, and the run goes on."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from steelexp.errors import UserError
from steelexp.records.run_file import write_run_file
from steelexp.tracking import delivery, services
from steelexp.tracking.journal import read_events
from steelexp.tracking.journaled import JournaledTracker
from tests.damages import Outcome, damages, write_table
from tests.file_service import FileServer, FileService
from tests.tracked_run import described, end, metrics_of


def tell(folder: Path, epochs: int, mode: str = "online") -> str:
    """Track a run from its first epoch, as a run that goes on does; the closing line."""
    tracker = JournaledTracker("file", project="steel", workspace=None, mode=mode)
    tracker.start(described(folder))
    for epoch in range(1, epochs + 1):
        tracker.epoch(epoch, metrics_of(epoch), 50 * epoch)
    return end(tracker, {})


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FileServer:
    server = FileServer(tmp_path / "server.jsonl")
    monkeypatch.setitem(services.SERVICES, "file", lambda: FileService(server))
    return server


def check_experiments(server: FileServer) -> dict[str, list[int]]:
    """Each experiment has every event once, in order, and as it was; its epochs."""
    epochs: dict[str, list[int]] = {}
    numbers: dict[str, list[int]] = {}
    for event in server.events:
        numbers.setdefault(event["key"], []).append(event["number"])
        if event["kind"] == "epoch":
            number = event["content"]["epoch"]
            assert event["content"]["metrics"] == metrics_of(number)
            epochs.setdefault(event["key"], []).append(number)
    for each in numbers.values():
        assert each == list(range(1, len(each) + 1))
    for each in epochs.values():
        assert each == list(range(1, len(each) + 1))
    return epochs


def sync_outcome(folder: Path) -> Outcome:
    try:
        complete, line = delivery.sync(folder)
    except UserError as error:
        complete, line = False, str(error)
    assert complete or f"{folder}/journal.jsonl" in line or "journal.jsonl" not in line
    return Outcome("", "", "sent" if complete else "refused", line)


@pytest.mark.parametrize("file", ["journal.jsonl", "sent.json"])
@pytest.mark.parametrize(
    "every", [pytest.param(1, marks=pytest.mark.slow, id="all"), pytest.param(6, id="some")]
)
def test_no_damage_sends_anything_twice_or_wrongly(
    server: FileServer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    file: str,
    every: int,
) -> None:
    run, other = tmp_path / "run", tmp_path / "other"
    for each in (other, run):
        write_run_file(each, each.name, {})
        tell(each, 2)
        tell(each, 4, "offline")
    key = str(read_events(run)[0].content["key"])
    before = server.path.read_bytes()
    outcomes = []
    chosen = list(damages(run / file, np.random.default_rng(0), other=other / file))[::every]
    for number, damage in enumerate(chosen):
        folder = tmp_path / str(number)
        shutil.copytree(run, folder)
        server.path.write_bytes(before)
        damage.apply(folder / file)
        sync = sync_outcome(folder)
        check_experiments(server)
        caplog.clear()
        assert tell(folder, 5).startswith("File: 5 epochs, 0 pictures at ")
        epochs = check_experiments(server)
        now = str(read_events(folder)[0].content["key"])
        assert epochs[now] == [1, 2, 3, 4, 5]
        warnings = [record.getMessage() for record in caplog.records]
        assert (now == key) == (warnings == []), warnings
        went_on = "the same experiment" if now == key else "another, with a warning"
        outcomes.append(Outcome(file, damage.name, f"sync: {sync.outcome}; run: {went_on}"))
    write_table(outcomes)
    assert len(outcomes) >= 15 // every


def test_journal_and_receipt_of_another_run_are_noticed(server: FileServer, tmp_path: Path) -> None:
    run, other = tmp_path / "run", tmp_path / "other"
    for each in (other, run):
        write_run_file(each, each.name, {})
        tell(each, 2, "offline")
    for name in ("journal.jsonl", "sent.json"):
        shutil.copy(other / name, run)
    with pytest.raises(UserError, match=r"run/journal.jsonl:1: not the next event of this run \("):
        delivery.sync(run)
    assert server.events == []


def test_a_finished_run_whose_journal_lost_its_end_says_so(
    server: FileServer, tmp_path: Path
) -> None:
    tell(tmp_path, 2)
    assert delivery.sync(tmp_path)[0]
    (tmp_path / "record.json").write_text("{}")
    complete, line = delivery.sync(tmp_path)
    assert not complete
    assert "2 epochs, 0 pictures at file:///experiment; the end of the run is not in" in line


def test_an_evaluation_of_a_run_with_a_damaged_journal_begins_no_other_experiment(
    server: FileServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tell(tmp_path, 1)
    file, before = tmp_path / "journal.jsonl", server.path.read_bytes()
    file.write_bytes(file.read_bytes().replace(b'"step": 50', b'"step": 60'))
    damaged = file.read_bytes()
    tracker = JournaledTracker("file", project="steel", workspace=None, mode="online")
    assert tracker.evaluated(described(tmp_path), "tta", {}, tmp_path) == "File: not tracked"
    (line,) = (n for n, x in enumerate(damaged.split(b"\n"), 1) if b'"step": 60' in x)
    message = caplog.records[0].getMessage()
    assert f"File: {file}:{line}: not the next event of this run (" in message
    assert (file.read_bytes(), server.path.read_bytes()) == (damaged, before)
