"""The sender's promise, kept for a service that is not Comet: each event once, in order."""

import json
from contextlib import contextmanager
from pathlib import Path

import pytest

from steelexp.records.jsonl import JsonLines
from steelexp.tracking import delivery, sending, services
from steelexp.tracking.journal import Journal, read_events
from steelexp.tracking.receipt import read_receipt
from tests import tracking_events as events
from tests.file_service import FileServer, FileService


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
    journal.append(events.run("file"), *map(events.epoch, (1, 2, 3)))
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
    Journal(run).append(("table", {"name": "a", "headers": [], "rows": []}))
    assert send(run) is None
    assert server.numbers == [1, 2, 3, 4]
    assert delivery.status_line(run).endswith("; left out: no tables")


def test_offline_the_whole_journal_becomes_an_archive(server, run):
    assert send(run, "offline") == "tracking.mode is offline"
    assert (run / "archive").read_text() == "4"
    assert server.numbers == []


def test_an_unknown_service_is_named(server, run):
    lines = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]
    contents = [{key: value for key, value in line.items() if key != "check"} for line in lines]
    contents[0]["content"]["service"] = "carrier pigeon"
    (run / "journal.jsonl").unlink()
    JsonLines(run / "journal.jsonl", dict, "an event", "").append(*contents)
    assert send(run) == f"{run}/journal.jsonl:1: service 'carrier pigeon' is none of comet, file"
    assert len(read_events(run)) == 4
