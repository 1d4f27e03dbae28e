"""Servers that are broken or mean harm: the run ends in time, and `sync` sends the rest later."""

import os
import signal
import time
from pathlib import Path

import pytest

from steelexp.errors import UserError
from steelexp.tracking import journaled
from steelexp.tracking.comet import dashboard, session
from steelexp.tracking.comet.tracker import comet as tracker_of
from steelexp.tracking.delivery import sync
from steelexp.tracking.journal import read_events
from steelexp.tracking.receipt import read_receipt
from steelexp.tracking.signals import LATE_SECONDS
from steelexp.tracking.tracker import Tracker
from tests import hostile_answers
from tests.comet_expectations import assert_metrics, children, files_with, in_a_process, key_of
from tests.comet_server import API_KEY, CometServer, comet_server
from tests.tracked_run import Pace, described, end, metrics_of

FINISH = 1.5
"""Seconds that a run here waits for its tracker at its end, in place of 60."""

SPARE = 4.0
"""Seconds for two busy cores to fork a process and to note why it gave up."""

ANSWERS = {
    "a byte now and then": hostile_answers.slow_body,
    "a header without an end": hostile_answers.slow_headers,
    "a body without an end": hostile_answers.endless_body,
    "1 MB that unpacks to 1 GB": hostile_answers.bomb,
    "a page of HTML": hostile_answers.page,
    "other JSON": hostile_answers.other_json,
    "silence": hostile_answers.silence,
    "a reset": hostile_answers.reset,
    "500": hostile_answers.failure(500),
    "429": hostile_answers.failure(429),
    "503 until tomorrow": hostile_answers.failure(503, ("Retry-After", "86400")),
}

DEFAULT = ("a byte now and then", "a body without an end", "a page of HTML")
"""Answers that the default suite tries; the others are slow together."""


def answers(*quick: str) -> list[object]:
    return [pytest.param(name, marks=[] if name in quick else pytest.mark.slow) for name in ANSWERS]


@pytest.fixture(autouse=True)
def short_limits(server: CometServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits of seconds where a run has a minute."""
    monkeypatch.setattr(journaled, "FINISH_SECONDS", FINISH)
    monkeypatch.setattr(session, "ANSWER_BYTES", 1 << 24)
    for what in ("HTTP", "API", "CLEANING", "UPLOAD"):
        monkeypatch.setenv(f"COMET_TIMEOUT_{what}", "2")


def epochs_in_time(tracker: Tracker, *epochs: int) -> None:
    for epoch in epochs:
        began = time.monotonic()
        tracker.epoch(epoch, metrics_of(epoch), 50 * epoch)
        assert time.monotonic() - began < 0.5


def finish_in_time(tracker: Tracker) -> str:
    began = time.monotonic()
    line = end(tracker, {})
    assert time.monotonic() - began < FINISH + LATE_SECONDS + SPARE
    return line


def run_against_hostile_server(server: CometServer, folder: Path, *, sent: int) -> str:
    """A run whose server turns hostile after so many epochs; its closing line."""
    hostile, server.hostile = server.hostile, None
    tracker = tracker_of(project="steel")
    if sent == 0:
        server.hostile = hostile
    tracker.start(described(folder))
    epochs_in_time(tracker, *range(1, sent + 1))
    until = time.monotonic() + 60
    while sent and read_receipt(folder).acknowledged < len(read_events(folder)):
        assert time.monotonic() < until
        time.sleep(0.02)
    server.hostile = hostile
    epochs_in_time(tracker, *range(sent + 1, sent + 4))
    return finish_in_time(tracker)


@pytest.mark.parametrize("answer", answers(*DEFAULT))
def test_from_the_start(server: CometServer, folder: Path, answer: str) -> None:
    server.hostile = ANSWERS[answer]
    line = run_against_hostile_server(server, folder, sent=0)
    assert "Comet: not sent (" in line
    assert "; send the rest with" in line
    if answer in ("a body without an end", "1 MB that unpacks to 1 GB"):
        assert " answers without an end); send" in line
    assert line.isprintable()
    assert files_with(API_KEY, folder) == []
    server.hostile = None
    assert sync(folder)[0]
    assert_metrics(server, key_of(folder), 1, 2, 3)


@pytest.mark.parametrize("answer", answers("a byte now and then"))
def test_in_the_middle(server: CometServer, folder: Path, answer: str) -> None:
    server.hostile = ANSWERS[answer]
    line = run_against_hostile_server(server, folder, sent=1)
    assert f"Comet: sent to http://comet/{key_of(folder)}: 1 epoch, 0 pictures (" in line
    assert line.isprintable()
    server.hostile = None
    assert sync(folder)[0]
    assert_metrics(server, key_of(folder), 1, 2, 3, 4)


@pytest.mark.parametrize("answer", answers("a byte now and then"))
def test_sync_ends(server: CometServer, folder: Path, answer: str) -> None:
    tracker = tracker_of(project="steel", mode="offline")
    tracker.start(described(folder))
    epochs_in_time(tracker, 1)
    end(tracker, {})
    server.hostile = ANSWERS[answer]
    began = time.monotonic()
    complete, line = sync(folder, FINISH)
    assert time.monotonic() - began < FINISH + LATE_SECONDS + SPARE
    assert not complete
    assert line.startswith("Comet: not sent (")


@pytest.mark.parametrize("sent", [0, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "status", [307, *(pytest.param(each, marks=pytest.mark.slow) for each in (301, 302, 303, 308))]
)
def test_a_redirect_does_not_get_the_key(
    server: CometServer, folder: Path, status: int, sent: int
) -> None:
    with comet_server() as other:
        visits: list[str] = []
        other.hostile = lambda handler: visits.append(handler.path)
        elsewhere = other.url.removesuffix("/clientlib/")
        server.hostile = hostile_answers.redirect(status, elsewhere)
        line = run_against_hostile_server(server, folder, sent=sent)
        assert visits == []
    home = server.url.removesuffix("/clientlib/")
    if not sent:
        assert f"({home} redirects to {elsewhere}, which is not followed: set COMET_URL" in line
    assert "; send the rest with: " in line
    assert API_KEY not in line
    server.hostile = None
    assert sync(folder)[0]


def test_a_server_without_tls(server: CometServer, folder: Path) -> None:
    os.environ["COMET_URL_OVERRIDE"] = server.url.replace("http:", "https:")
    line = run_against_hostile_server(server, folder, sent=0)
    assert "has no valid TLS certificate, or does not speak TLS" in line
    os.environ["COMET_URL_OVERRIDE"] = server.url
    assert sync(folder)[0]


def test_a_killed_run_leaves_no_process_that_hangs(server: CometServer, folder: Path) -> None:
    server.hostile = hostile_answers.slow_headers
    process = in_a_process(folder, 2, Pace(epoch=60))
    until = time.monotonic() + 60
    while not (sending := children(process.pid)):
        assert time.monotonic() < until
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    until = time.monotonic() + FINISH + LATE_SECONDS + SPARE
    while any(Path(f"/proc/{pid}").exists() for pid in sending):
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        ("a header without an end", "no complete answer in 1 s"),
        ("a page of HTML", "data is not json"),
        ("500", "failed with status code 500"),
    ],
)
def test_a_dashboard_is_refused_in_time(
    server: CometServer, monkeypatch: pytest.MonkeyPatch, answer: str, line: str
) -> None:
    monkeypatch.setattr(dashboard, "PUSH_SECONDS", 1.0)
    server.hostile = ANSWERS[answer]
    with pytest.raises(UserError, match=line) as refused:
        dashboard.push("steel", None, ["1"])
    assert API_KEY not in str(refused.value)
