"""The times that the server holds are those of the journal, however late it is sent."""

import itertools
import os
import shlex
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from steelexp.tracking import journal
from steelexp.tracking.delivery import sync
from steelexp.tracking.journal import Event, end_of, read_events
from tests.comet_archive import Archive
from tests.comet_expectations import key_of
from tests.comet_server import CometServer, comet_server, point_to
from tests.tracked_run import train

BEGAN = 1_700_000_000.25
"""Years ago; each call of the journal's clock takes a quarter of an hour and a little."""


@pytest.fixture(autouse=True)
def long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal is written by another clock than that of this machine."""
    clock = itertools.count()
    slow = SimpleNamespace(time=lambda: BEGAN + 900.125 * next(clock))
    monkeypatch.setattr(journal, "time", slow)


def milliseconds(event: Event) -> int:
    return round(1000 * event.time)


def assert_times(server: CometServer, folder: Path) -> None:
    """Every time at the server, by the journal."""
    events, key = read_events(folder), key_of(folder)
    metrics = {
        (name, event.content["step"], milliseconds(event))
        for event in events
        if event.kind == "epoch"
        for name in event.content["metrics"]
    }
    assert server.metric_times(key) >= metrics
    assert {time for _, _, time in server.metric_times(key)} <= set(map(milliseconds, events))
    assert server.parameter_times(key) == {milliseconds(events[0])}
    assert server.duration(key) == (milliseconds(events[0]), round(1000 * end_of(events)))
    assert events[0].time == BEGAN
    files = [request for _, request in server.assets(key)]
    files += [request for _, _, request in server.pictures(key)]
    times = {event.number: event.time for event in events}
    told = [f.metadata for f in files if "event" in f.metadata]
    assert len(told) >= 4
    for each in told:
        time = datetime.fromisoformat(each["time"]).timestamp()
        assert time == pytest.approx(times[each["event"]], abs=0.001)


def test_online(server: CometServer, folder: Path) -> None:
    train(folder, 2, "online")
    assert_times(server, folder)


def test_sync_years_later(folder: Path) -> None:
    train(folder, 2, "offline")
    with comet_server() as server:
        point_to(server, os.environ)
        assert sync(folder)[0]
        assert_times(server, folder)


@pytest.mark.slow
def test_an_archive_uploaded_years_later(folder: Path) -> None:
    told = train(folder, 2)
    archive = Archive(folder / "comet" / f"{key_of(folder)}.zip").experiment
    events = read_events(folder)
    assert (archive["start_time"], archive["stop_time"]) == (
        milliseconds(events[0]),
        round(1000 * end_of(events)),
    )
    with comet_server() as server:
        point_to(server, os.environ)
        scripts = {**os.environ, "PATH": str(Path(sys.executable).parent)}
        command = shlex.split(told.split("  or: ")[1])
        subprocess.run(command, env=scripts, check=True, capture_output=True)
        assert_times(server, folder)


def test_a_server_that_takes_no_times_is_told_later(server: CometServer, folder: Path) -> None:
    """The end of a run counts as sent once the server has its times."""
    server.refusing = lambda request: request.path.endswith("/offline-metadata")
    assert "send the rest with" in train(folder, 1, "online")
    server.refusing = lambda request: False
    assert sync(folder)[0]
    assert_times(server, folder)


def test_a_later_evaluation_is_not_part_of_the_run() -> None:
    words = ("stopped", "evaluating", "finished")
    contents = ({}, *({"status": word} for word in words), {"git/commit": "3f9c"})
    events = [Event(n, "others", 10.0 * n, content) for n, content in enumerate(contents, 1)]
    assert end_of(events) == 40.0
    assert end_of(events[:3]) == 20.0
    assert end_of(events[:1]) == 10.0
