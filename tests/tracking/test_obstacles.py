"""Obstacles on the run's own machine: the run goes on, and its closing line comes in time."""

import errno
import gc
import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from steelexp.tracking import Picture, delivery, journaled, run_events
from steelexp.tracking.comet.tracker import comet as tracker_of
from steelexp.tracking.delivery import KILLED, sync
from steelexp.tracking.journal import read_events
from tests.comet_expectations import assert_metrics, key_of
from tests.comet_server import CometServer
from tests.tracked_run import STRIPS, described, draw, end, metrics_of, train

REAL_BEGIN_SENDING = delivery.begin_sending
"""The one that starts a fresh Python; the fixtures here put a fork in its place."""


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name.startswith("steelexp")]


def script(path: Path, text: str) -> str:
    """A program in place of Python, for a sending process that does something else."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_process_that_hangs_is_killed_with_what_it_started(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It never reads its stdin, whose 64 kB fill, and ignores the signals that can be ignored."""
    monkeypatch.setattr(delivery, "begin_sending", REAL_BEGIN_SENDING)
    monkeypatch.setattr(journaled, "FINISH_SECONDS", 0.5)
    monkeypatch.setattr(journaled, "SPARE_SECONDS", 0.5)
    pid = tmp_path / "pid"
    hang = f"trap '' TERM INT HUP PIPE\nsleep 1000 &\necho $! > {pid}\nsleep 1000"
    monkeypatch.setattr(sys, "executable", script(tmp_path / "hang", hang))
    tracker = tracker_of(project="steel")
    tracker.start(described(folder))
    until = time.monotonic() + 30
    while not pid.is_file() or not pid.read_text().strip():
        assert time.monotonic() < until
        time.sleep(0.01)
    began = time.monotonic()
    for _ in range(70_000):  # more than the pipe holds
        delivery.prompt(tracker._process)
    tracker.epoch(1, metrics_of(1), 50)
    assert time.monotonic() - began < 5
    began = time.monotonic()
    assert f"Comet: not sent ({KILLED}); send the rest with: " in end(tracker, {})
    assert time.monotonic() - began < 3
    until = time.monotonic() + 10
    while is_running(int(pid.read_text())):
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize("error", [BlockingIOError(errno.EAGAIN, "Try again"), MemoryError()])
def test_without_a_process_the_run_goes_on(
    server: CometServer,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    def no_fork(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(delivery, "begin_sending", no_fork)
        line = train(folder, 2)
        if isinstance(error, OSError):
            assert "no process can be started: Try again" in sync(folder)[1]
    assert line.startswith("Comet: not sent (no process can be started); send the rest with: ")
    assert len(warnings(caplog)) == 1
    assert sync(folder)[0]
    assert_metrics(server, key_of(folder), 1, 2)


@contextmanager
def three_free_files() -> Iterator[None]:
    """A process that may open three files more."""
    gc.collect()  # files of earlier tests that nobody holds would be closed later
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(entry.name) for entry in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 4, limits[1]))
    taken = []
    try:
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        for file in taken[-3:]:
            os.close(file)
        del taken[-3:]
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for file in taken:
            os.close(file)


def test_with_too_many_open_files_the_run_goes_on(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "begin_sending", REAL_BEGIN_SENDING)
    tracker = tracker_of(project="steel")
    run = described(folder)
    with three_free_files():  # a file and its folder, and no pipes for a process
        tracker.start(run)
        tracker.epoch(1, metrics_of(1), 50)
    (warning,) = warnings(caplog)
    assert warning.startswith("Comet: no process can be started: ")
    assert "Too many open files (the run is not affected)" in warning
    kinds = [event.kind for event in read_events(folder)]
    assert kinds == ["run", "asset", "data", "code", "asset", "epoch"]


@pytest.mark.parametrize("kind", ["vanished", "huge", "fifo", "folder"])
def test_a_picture_that_cannot_be_sent_is_left_out(
    server: CometServer,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    monkeypatch.setattr(run_events, "PICTURE_BYTES", 1 << 16)
    pictures = [Picture(strip, draw(folder, 1, strip)) for strip in STRIPS]
    path = pictures[0].path
    path.unlink()
    if kind == "huge":
        path.write_bytes(bytes((1 << 16) + 1))
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    tracker = tracker_of(project="steel")
    tracker.start(described(folder))
    tracker.epoch(1, metrics_of(1), 50, pictures)
    assert f"left out: {path}: " in warnings(caplog)[0]
    assert "Comet: 1 epoch, 1 picture at " in end(tracker, {})
    assert [name for name, _, _ in server.pictures(key_of(folder))] == [STRIPS[1]]
