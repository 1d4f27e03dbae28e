"""Alerts: at most once, whatever is killed, and never long after."""

import json
import math
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from steelexp.tracking import TrackedTrial, alerts, delivery, journaled
from steelexp.tracking.alerts import ALERTS, Decisions, StallWatch, alert_content
from steelexp.tracking.comet.tracker import comet
from steelexp.tracking.delivery import sync
from steelexp.tracking.journal import Event, read_events
from steelexp.tracking.tracker import Goal
from tests import forked
from tests.comet_expectations import assert_all_arrived, assert_metrics, children, key_of
from tests.comet_server import API_KEY, CometServer, Request, comet_server, point_to
from tests.forked import Forked
from tests.leaks import sent
from tests.tracked_run import Pace, described, end, metrics_of, train

FINISHED = {
    "title": "b4_dice finished: trained and evaluated",
    "status": "finished",
    "additional_data": {"val_dice_positive": 0.325},
}


def names(server: CometServer, folder: Path) -> list[str]:
    return [each["status"] for each in server.notifications(key_of(folder))]


def test_an_undisturbed_run_says_once_that_it_is_finished(
    server: CometServer, folder: Path
) -> None:
    for _ in range(2):
        train(folder, 2, alerts=ALERTS)
        (folder / "sent.json").unlink()
        assert sync(folder)[0]
    assert server.notifications(key_of(folder)) == [FINISHED]
    assert_all_arrived(server, folder, 2)
    (line,) = (folder / "alerts.jsonl").read_text().splitlines()
    assert json.loads(line)["sent"] is True


def test_a_run_that_goes_on_says_so_too(server: CometServer, folder: Path) -> None:
    tracker = comet(project="steel", alerts=ALERTS)
    tracker.start(described(folder))
    end(tracker, {})
    train(folder, 2, alerts=ALERTS)
    assert server.notifications(key_of(folder)) == [FINISHED]


def test_without_the_switch_nobody_is_told(server: CometServer, folder: Path) -> None:
    train(folder, 1, alerts=())
    assert names(server, folder) == []
    assert not (folder / "alerts.jsonl").exists()


def test_a_trial_tells_nobody_unless_it_is_asked_to(server: CometServer, folder: Path) -> None:
    trial = TrackedTrial("spaces", "0001", {})
    for place, trial_alerts, expected in ((folder, (), []), (folder / "b", ("best",), ["best"])):
        tracker = comet(trial_alerts=trial_alerts)
        goal = Goal("val_dice_positive", False, lambda: 0.01)
        tracker.start(described(place, trial=trial, goal=goal))
        tracker.epoch(1, metrics_of(1), 50)
        end(tracker, {"val_dice": 0.3})
        assert names(server, place) == expected


def test_offline_then_sync_within_the_hour(folder: Path) -> None:
    train(folder, 2, "offline", alerts=ALERTS)
    with comet_server() as server:
        point_to(server, os.environ)
        for _ in range(2):
            assert sync(folder)[0]
        assert server.notifications(key_of(folder)) == [FINISHED]


def test_a_late_sync_alarms_nobody(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(folder, 2, "offline", alerts=ALERTS)
    with comet_server() as server:
        point_to(server, os.environ)
        monkeypatch.setattr(alerts, "LATEST_SECONDS", -1.0)
        assert sync(folder)[0]
        monkeypatch.setattr(alerts, "LATEST_SECONDS", 3600.0)
        assert sync(folder)[0]
        assert names(server, folder) == []
        assert_all_arrived(server, folder, 2)
    (line,) = (folder / "alerts.jsonl").read_text().splitlines()
    assert json.loads(line)["reason"] == "0.0 h old"


def test_a_better_best_is_told_once(server: CometServer, folder: Path) -> None:
    """0.125, 0.225, 0.325: the second epoch is the first above 0.2."""
    for _ in range(2):
        tracker = comet(alerts=("best",))
        tracker.start(described(folder, goal=Goal("val_dice_positive", False, lambda: 0.2)))
        for epoch in (1, 2, 3):
            tracker.epoch(epoch, metrics_of(epoch), 50 * epoch)
        end(tracker, {})
    (told,) = server.notifications(key_of(folder))
    assert told["additional_data"] == {"val_dice_positive": 0.225, "best before": 0.2}


@pytest.mark.parametrize("earlier", [None, metrics_of(3)["val_dice_positive"]])
def test_what_is_no_better_is_not_told(
    server: CometServer, folder: Path, earlier: float | None
) -> None:
    tracker = comet(alerts=("best",))
    tracker.start(described(folder, goal=Goal("val_dice_positive", False, lambda: earlier)))
    for epoch in (1, 2, 3):
        tracker.epoch(epoch, metrics_of(epoch), 50 * epoch)
    end(tracker, {})
    assert names(server, folder) == []


def test_a_lower_loss_is_better(server: CometServer, folder: Path) -> None:
    tracker = comet(alerts=("best",), contents=())
    tracker.start(described(folder, goal=Goal("loss", True, lambda: 0.9)))
    tracker.epoch(1, {"loss": 1.0}, 50)
    tracker.epoch(2, {"loss": 0.5}, 100)
    end(tracker, {})
    assert [event.kind for event in read_events(folder)][4:] == [
        "epoch", "epoch", "alert", "others",
    ]  # fmt: skip
    assert names(server, folder) == ["best"]


def test_diverged_is_told_once(server: CometServer, folder: Path) -> None:
    for _ in range(2):
        tracker = comet(alerts=ALERTS)
        tracker.start(described(folder))
        end(tracker, {}, diverged=True)
    assert names(server, folder) == ["diverged"]
    assert server.others(key_of(folder))["status"] == "diverged"


def test_an_interrupted_run_tells_nobody(server: CometServer, folder: Path) -> None:
    tracker = comet(alerts=ALERTS)
    tracker.start(described(folder))
    end(tracker, {})
    assert names(server, folder) == []


@pytest.mark.parametrize("lost", [True, False])
def test_a_message_that_fails_is_not_sent_again(
    server: CometServer, folder: Path, monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    """Lost: the server took it and its answer did not arrive. Else: it answers with an error."""
    asked = []

    def forgets(request: Request) -> bool:
        is_alert = "/notification/" in request.path
        asked.extend([request] * is_alert)
        server.failing = 500 if is_alert and not lost else None
        return is_alert and lost

    server.forgetting = forgets
    line = train(folder, 2, alerts=ALERTS)
    server.failing = None
    for _ in range(2):
        assert sync(folder)[0], line
    assert len(asked) == 1
    assert_all_arrived(server, folder, 2)


def test_a_server_that_hangs_on_a_message_holds_up_nothing(
    server: CometServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journaled, "FINISH_SECONDS", 2.0)
    monkeypatch.setattr(journaled, "SPARE_SECONDS", 1.0)
    over = threading.Event()
    server.forgetting = lambda request: "/notification/" in request.path and over.wait(30)
    began = time.monotonic()
    line = train(folder, 1, alerts=ALERTS)
    assert time.monotonic() - began < 20
    over.set()
    server.forgetting = lambda _: False
    for _ in range(2):
        assert sync(folder)[0], line
    assert names(server, folder) == ["finished"]
    assert_all_arrived(server, folder, 1)


def test_killed_between_mark_and_message_it_is_never_sent(
    server: CometServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = Decisions.take

    def take_and_die(self: Decisions, alert: alerts.Alert, noticed: float) -> bool:
        take(self, alert, noticed)
        os.kill(os.getpid(), signal.SIGKILL)
        return True

    with monkeypatch.context() as patch:
        patch.setattr(Decisions, "take", take_and_die)
        train(folder, 2, alerts=ALERTS)
    assert sync(folder)[0]
    assert names(server, folder) == []
    assert_all_arrived(server, folder, 2)


def test_damaged_decisions_send_nothing_and_are_named(server: CometServer, folder: Path) -> None:
    (folder / "alerts.jsonl").write_text("nonsense\n")
    line = train(folder, 1, alerts=ALERTS)
    assert names(server, folder) == []
    assert "left out: alert not sent: " in line
    assert "/alerts.jsonl:1: not a decision about an alert" in line


def test_a_text_is_harmless() -> None:
    content = alert_content("best", "b4\x1b[2J\nBcc: a@b.c", {"val\n": 0.5, "undefined": math.nan})
    assert content["title"].startswith(r"b4\x1b[2J\nBcc: a@b.c best: ")
    assert content["values"] == {r"val\n": 0.5}


def test_a_message_holds_no_secret(
    server: CometServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVICE_TOKEN", "hunter2hunter2")
    tracker = comet(alerts=ALERTS)
    run = described(folder, name="b4 hunter2hunter2")
    tracker.start(run)
    end(tracker, {"val_dice": 0.3})
    (told,) = server.notifications(key_of(folder))
    assert told["title"].startswith("b4 *** finished")
    assert not any(b"hunter2hunter2" in each for each in sent(server).values())
    assert not any(API_KEY.encode() in each for each in sent(server).values())


def event(kind: str, moment: float, **content: object) -> Event:
    return Event(1, kind, moment, content)


def test_a_run_stalls_after_ten_median_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    watch = StallWatch(["stalled"])
    for moment in (0, 100, 200):
        assert watch.limit_seconds is None
        watch.see(event("epoch", moment))
    assert watch.limit_seconds == 1000.0
    watch.see(event("epoch", 5000))  # a night between two sessions: the median stays
    assert watch.seconds_left == 1000.0
    now[0] = 400.0
    watch.see(event("picture", 5400))
    assert watch.seconds_left == 600.0
    watch.see(event("others", 5400, status="evaluating"))
    assert watch.seconds_left is None
    watch.see(event("epoch", 5100))
    assert watch.seconds_left == 1000.0
    watch.stop()
    assert watch.seconds_left is None
    assert StallWatch(["finished"]).seconds_left is None


def test_short_epochs_stall_after_ten_minutes() -> None:
    watch = StallWatch(["stalled"])
    for moment in (0, 1, 2):
        watch.see(event("epoch", moment))
    assert watch.limit_seconds == 600.0


def test_a_run_that_hangs_is_noticed_by_what_sends_it(
    server: CometServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "STALL_SECONDS", 1.0)
    monkeypatch.setattr(alerts, "STALL_EPOCHS", 2)
    tracker = comet(alerts=ALERTS)
    tracker.start(described(folder))
    for epoch in (1, 2, 3):
        tracker.epoch(epoch, metrics_of(epoch), 50 * epoch)
    until = time.monotonic() + 30
    while not names(server, folder):
        assert time.monotonic() < until
        time.sleep(0.05)
    time.sleep(1.5)  # it would be told again
    tracker.epoch(4, metrics_of(4), 200)
    end(tracker, {"val_dice": 0.3})
    assert names(server, folder) == ["stalled", "finished"]
    assert_metrics(server, key_of(folder), 1, 2, 3, 4)


def slow_message(asked: threading.Event, *, is_lost: bool) -> Callable[[Request], bool]:
    """A server that takes a message and answers half a second later, or never."""

    def forgets(request: Request) -> bool:
        if "/notification/" not in request.path:
            return False
        asked.set()
        time.sleep(0.5)
        return is_lost

    return forgets


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(24))
def test_no_kill_sends_an_alert_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """The run and what sends it are killed, both or one of them, and the run goes on.

    Half of the kills come at any moment, half while the server answers a message, which takes it
    half a second. Half of its answers are lost.
    """
    draw, folder = np.random.default_rng(seed), tmp_path / "a run"
    folder.mkdir()
    monkeypatch.setattr(delivery, "begin_sending", forked.begin_sending)

    def act() -> int:
        train(folder, 3, pace=Pace(epoch=0.3), alerts=ALERTS)
        return 0

    with comet_server() as server:
        point_to(server, os.environ)
        for _ in range(draw.integers(1, 4)):
            asked = threading.Event()
            server.forgetting = slow_message(asked, is_lost=draw.random() < 0.5)
            process = Forked(act)
            if draw.random() < 0.5:
                time.sleep(draw.uniform(0.5, 3.0))
            else:
                asked.wait(20)
                time.sleep(draw.uniform(0.0, 0.3))
            victims = [process.pid, *children(process.pid)] if process.poll() is None else []
            for pid in victims[int(draw.integers(0, 2)) :]:
                os.kill(pid, signal.SIGKILL)
            process.wait()
        server.forgetting = lambda _: False
        train(folder, 3, alerts=ALERTS)
        for _ in range(2):
            assert sync(folder)[0]
        assert_all_arrived(server, folder, 3)
        assert names(server, folder) in ([], ["finished"])
