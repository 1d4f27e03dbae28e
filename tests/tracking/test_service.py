"""The sender's promise, kept for a service that is not Comet: each event once, in order."""

import json
from contextlib import contextmanager
from pathlib import Path

import pytest

from steelexp.records.jsonl import JsonLines
from steelexp.tracking import delivery, sending, services
from steelexp.tracking.journal import Journal, read_events
from steelexp.tracking.receipt import read_receipt
from steelexp.tracking.service import Archive, RefusedError

KEY = "3f9c"


class FileServer:
    """A server that keeps its events in a file; `lost_answers` and `deaf` make it misbehave."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lost_answers = 0
        self.is_deaf = False

    @property
    def numbers(self) -> list[int]:
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        return [json.loads(line)["number"] for line in lines]

    def take(self, number: int) -> bool:
        if self.is_deaf:
            return False
        with self.path.open("a") as stream:
            stream.write(json.dumps({"number": number}) + "\n")
        self.lost_answers -= 1
        return self.lost_answers < 0


class FileConnection:
    url = "file:///experiment"
    error = None

    def __init__(self, server: FileServer) -> None:
        self._server = server
        self._numbers: set[int] = set()
        self._answers: list[bool] = []

    def refresh(self, events):
        self._numbers = set(self._server.numbers)

    def holds(self, event):
        return event.number in self._numbers

    def can_list(self, event):
        return True

    def log(self, event):
        if event.kind == "unknown":
            raise RefusedError("no such kind")
        self._answers.append(self._server.take(event.number))

    def flush(self, events, *, seconds):
        return all(self._answers)

    def forget_error(self):
        pass

    def close(self):
        pass


class FileService:
    name = "File"

    def __init__(self, server: FileServer) -> None:
        self._server = server

    def offline_reason(self, mode):
        return "tracking.mode is offline" if mode == "offline" else None

    def connect(self, run, folder):
        return FileConnection(self._server)

    def write_archive(self, events, folder):
        (folder / "archive").write_text(str(len(events)))
        return Archive("archive", ("file", "upload"), {})

    def explain(self, error):
        return str(error)


@pytest.fixture
def server(tmp_path, monkeypatch):
    server = FileServer(tmp_path / "server.jsonl")
    monkeypatch.setitem(services.SERVICES, "file", lambda: FileService(server))
    return server


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    journal = Journal(folder)
    journal.append(("run", {"service": "file", "key": KEY, "model": None}))
    journal.append(*(("epoch", {"epoch": n, "step": n, "metrics": {}}) for n in (1, 2, 3)))
    return folder


class Complete:
    """Signals of a journal that grows no more."""

    ended = True
    seconds_left = 60.0

    @contextmanager
    def time_limit(self, seconds):
        yield


def send(folder: Path, mode: str = "online") -> str | None:
    return sending._try_to_send(folder, mode, Complete())


def test_each_event_once_in_order(server, run):
    assert send(run) is None
    assert send(run) is None
    assert server.numbers == [1, 2, 3, 4]
    assert delivery.status_line(run) == "File: 3 epochs, 0 pictures at file:///experiment"


def test_what_the_server_took_without_an_answer_is_not_sent_again(server, run):
    server.lost_answers = 2
    assert send(run) == "the server did not take all of it in time"
    assert send(run) is not None
    assert send(run) is None
    assert server.numbers == [1, 2, 3, 4]


def test_a_lost_receipt_sends_nothing_twice(server, run):
    assert send(run) is None
    (run / "sent.json").unlink()
    assert send(run) is None
    assert server.numbers == [1, 2, 3, 4]
    assert read_receipt(run).acknowledged == 4


def test_what_can_never_be_sent_is_left_out_and_named(server, run):
    Journal(run).append(("unknown", {}))
    assert send(run) is None
    assert server.numbers == [1, 2, 3, 4]
    assert delivery.status_line(run).endswith("; left out: no such kind")


def test_offline_the_whole_journal_becomes_an_archive(server, run):
    assert send(run, "offline") == "tracking.mode is offline"
    assert (run / "archive").read_text() == "4"
    assert server.numbers == []


def test_an_unknown_service_is_named(server, run):
    lines = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]
    events = [{key: value for key, value in line.items() if key != "check"} for line in lines]
    events[0]["content"]["service"] = "carrier pigeon"
    (run / "journal.jsonl").unlink()
    JsonLines(run / "journal.jsonl", dict, "an event", "").append(*events)
    assert send(run) == "the journal cannot be sent: 'carrier pigeon'"
    assert len(read_events(run)) == 4
