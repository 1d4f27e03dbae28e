import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steelexp.command_line import program, script_line
from steelexp.errors import UserError
from steelexp.records.store import RunFolder
from steelexp.tracking import TrackedTrial, Tracker, delivery
from steelexp.tracking.comet.tracker import comet as tracker_of
from steelexp.tracking.delivery import status_line, sync
from steelexp.tracking.journal import read_events
from steelexp.tracking.receipt import read_receipt, write_receipt
from tests import forked
from tests.comet_archive import Archive
from tests.comet_expectations import (
    assert_all_arrived,
    assert_metrics,
    expected_metrics,
    files_with,
    final_metrics,
    in_a_process,
    is_final,
    key_of,
    kill,
    per_epoch,
    pixels,
)
from tests.comet_server import API_KEY, CometServer, Request, comet_server, point_to
from tests.forked import Forked
from tests.leaks import leaks, sent, written
from tests.tracked_run import FINAL, REVIEW, STRIPS, Pace, described, end, metrics_of, train
from tests.tracking.test_results import JUDGEMENT

WRONG_KEY = "wrong0key0wrong0key0wrong0key"


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name.startswith("steelexp")]


def test_live_run(
    server: CometServer,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (folder / "evaluation.json").write_text(json.dumps(JUDGEMENT))
    told = train(folder, 3, "online")
    key = key_of(folder)
    assert told == f"Comet: 3 epochs, 6 pictures at http://comet/{key}"
    curve, confusion = (server.assets(key).pop(2) for _ in range(2))
    metrics = server.metrics(key)
    assert per_epoch(metrics) == expected_metrics(1, 2, 3)
    bounds = {"lower/test_dice/1": 0.2, "upper/test_dice/1": 0.5}
    bounds |= {"lower/test_post_dice/1": 0.25, "upper/test_post_dice/1": 0.75}
    assert {name: value for name, value, *_ in metrics[len(expected_metrics(1, 2, 3)) :]} == {
        "best/val_dice_positive": 0.325, "best/val_dice_positive/1": 0.3, **bounds,
    }  # fmt: skip
    assert {metric[2:] for metric in metrics if is_final(metric[0])} == {(150, 3)}
    assert server.tags(key) == {"focal", "severstal"}
    assert server.others(key)["git/dirty"] == "false"
    assert server.parameters(key)["extends"] == "null"
    sent = dict(server.assets(key))
    assert set(sent) == {
        "spec.yaml", "classes.csv", "components.json", "model.onnx", "precision and recall/1",
        "calibration/1", "confusion.csv", "confusion.json",
    }  # fmt: skip
    assert sent["spec.yaml"].file == b"name: b4_dice\n"
    assert sent["model.onnx"].file == bytes([3])
    assert sent["classes.csv"].file.decode().split() == [
        "run,class,val_dice_positive", "b4_dice,1,0.3", "b4_dice,all,0.325",
    ]  # fmt: skip
    curve = json.loads(sent["precision and recall/1"].file)
    assert (curve["x"], curve["y"]) == ([0.9, 0.4], [0.5, 0.8])
    confusion = json.loads(sent["confusion.json"].file)
    assert (confusion["matrix"], confusion["labels"]) == ([[90, 2], [3, 5]], ["none", "1"])
    picture = server.pictures(key)[0][2]
    (layer,) = picture.metadata["annotations"]  # the empty one is left out: Comet refuses those
    assert layer["name"] == "truth"
    assert layer["data"][0]["points"] == [[1, 1, 9, 1, 9, 9]]
    assert said(caplog) == []
    assert capfd.readouterr() == ("", "")
    assert not (folder / "comet").exists()
    assert files_with(API_KEY, folder) == []

    requests = len(server.requests)
    assert sync(folder) == (True, told)
    assert len(server.requests) == requests


def test_a_run_that_is_evaluated_again(server: CometServer, folder: Path) -> None:
    """What comes out joins its experiment; nothing else is sent again."""
    told = train(folder, 1, "online")
    key = key_of(folder)
    metrics = server.metrics(key)
    for value in (0.5, 0.5, 0.25):  # the second is what the server has
        tracker = tracker_of(mode="online")
        line = tracker.evaluated(described(folder), "gaussian", {"val_dice": value}, folder)
        assert line == told
    assert server.metrics(key)[len(metrics) :] == [
        ("gaussian/val_dice", 0.5, 50, 1),
        ("gaussian/val_dice", 0.25, 51, 1),
    ]
    tracker_of(mode="online").evaluated(described(folder), "best", FINAL, folder)
    assert len(server.metrics(key)) == len(metrics) + 2
    assert tracker_of(mode="online").evaluated(described(folder / "x"), "best", {}, folder) == (
        "Comet: not tracked"
    )


@pytest.mark.slow
def test_overlays_arrive_unaltered(server: CometServer, folder: Path) -> None:
    train(folder, 2)
    assert_all_arrived(server, folder, 2)


def test_offline_then_sync_twice(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = time.time()
    told = train(folder, 3)
    key = key_of(folder)
    path = folder / "comet" / f"{key}.zip"
    command = f"{program()} sync '{folder}'"
    assert told == (
        "Comet: not sent (no API key is configured); left out: data severstal-steel: an archive "
        "cannot hold it, sync sends it; send the rest with: "
        f"{command}  or: {script_line('comet', 'upload', path)}"
    )
    assert said(caplog) == []
    archive = Archive(path)
    assert archive.experiment["offline_id"] == key
    assert archive.experiment["project_name"] == "steel"
    assert set(archive.experiment["tags"]) == {"focal", "severstal"}
    assert abs(archive.experiment["start_time"] / 1000 - before) < 5
    assert archive.metrics() == expected_metrics(1, 2, 3) + final_metrics(3)
    pictures = archive.uploads("figName")
    assert [pictures.pop((name, 150), None) is not None for name in REVIEW] == [True] * 3
    assert list(pictures) == [(image, 50 * n) for n in (1, 2, 3) for image in STRIPS]
    for (name, step), content in pictures.items():
        local = RunFolder(folder).overlay(step // 50, name).read_bytes()
        np.testing.assert_array_equal(pixels(content), pixels(local))

    assert sync(folder) == (False, told)  # still no key
    with comet_server() as server:
        point_to(server, os.environ)
        for _ in range(2):
            assert sync(folder) == (True, f"Comet: 3 epochs, 6 pictures at http://comet/{key}")
            assert_all_arrived(server, folder, 3)


@pytest.mark.slow
def test_offline_by_the_spec(server: CometServer, folder: Path) -> None:
    assert "not sent (tracking.mode is offline)" in train(folder, 1, "offline")
    assert server.experiments == set()
    assert (folder / "comet" / f"{key_of(folder)}.zip").is_file()


@pytest.mark.slow
def test_an_archive_uploaded_by_hand_is_not_sent_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = train(folder, 2)
    with comet_server() as server:
        point_to(server, os.environ)
        scripts = {**os.environ, "PATH": str(Path(sys.executable).parent)}
        command = shlex.split(told.split("  or: ")[1])
        subprocess.run(command, env=scripts, check=True, capture_output=True)
        metrics = sorted(server.metrics(key_of(folder)))
        assert metrics == sorted(expected_metrics(1, 2) + final_metrics(2))
        assert sync(folder)[0]
        assert sorted(server.metrics(key_of(folder))) == metrics
        assert len(server.pictures(key_of(folder))) == 4


@pytest.mark.slow
def test_the_end_is_heard_although_another_process_has_inherited_the_pipe(
    server: CometServer, folder: Path
) -> None:
    tracker = tracker_of()
    tracker.start(described(folder))
    other = os.fork()
    if not other:
        time.sleep(600)
        os._exit(0)
    try:
        assert "0 epochs, 0 pictures at" in end(tracker, {})
    finally:
        os.kill(other, signal.SIGKILL)
        os.waitpid(other, 0)


@pytest.mark.slow
def test_undefined_metrics_are_gaps(server: CometServer, folder: Path) -> None:
    tracker = tracker_of()
    tracker.start(described(folder))
    tracker.epoch(1, {"val_dice_positive/2": float("nan"), "loss": 0.5}, 50)
    assert "1 epoch, 0 pictures at" in end(tracker, {})
    assert server.metrics(key_of(folder)) == [("loss", 0.5, 50, 1)]


@pytest.mark.slow
def test_a_trial_is_grouped_under_its_search(server: CometServer, folder: Path) -> None:
    tracker = tracker_of()
    trial = TrackedTrial("b4_search", "0007", {"loss.name": "focal", "loss.gamma": 2.0})
    tracker.start(described(folder, trial=trial))
    end(tracker, {})
    key = key_of(folder)
    assert "search b4_search" in server.tags(key)
    others = server.others(key)
    assert (others["search"], others["search/trial"]) == ("b4_search", "0007")
    assert others["search/settings"] == "loss.name, loss.gamma"


@pytest.mark.slow
def test_a_resumed_run_keeps_its_experiment_and_a_fresh_one_has_another(
    server: CometServer, folder: Path, tmp_path: Path
) -> None:
    tracker = tracker_of(project="steel")
    tracker.start(described(folder))
    end(tracker, {})
    first = key_of(folder)
    assert server.others(first)["status"] == "stopped"
    train(folder, 2)
    assert_all_arrived(server, folder, 2)
    assert key_of(folder) == first
    train(tmp_path / "again", 1)
    assert key_of(tmp_path / "again") != first


def test_each_session_that_is_stopped_after_new_epochs_says_so(folder: Path) -> None:
    for epochs in (1, 2, 2):
        tracker = tracker_of(mode="offline")
        tracker.start(described(folder))
        for number in range(1, epochs + 1):
            tracker.epoch(number, {"loss": 1.0}, number)
        end(tracker, {})
    kinds = [event.kind for event in read_events(folder) if event.kind in ("epoch", "others")]
    assert kinds == ["epoch", "others"] * 2


@pytest.mark.slow
def test_a_second_telling_of_the_end_adds_nothing(server: CometServer, folder: Path) -> None:
    train(folder, 1)
    events = read_events(folder)
    train(folder, 1)  # killed after tracking, before record.json
    assert read_events(folder) == events
    assert_all_arrived(server, folder, 1)


@pytest.mark.parametrize(
    "answering",
    [
        pytest.param(False, id="refuses", marks=pytest.mark.slow),
        pytest.param(True, id="never answers"),
    ],
)
def test_server_away_at_start(
    folder: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    answering: bool,
) -> None:
    monkeypatch.setenv("COMET_TIMEOUT_HTTP", "2")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if answering:  # the kernel takes connections, and nobody reads them
            listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/clientlib/"
        monkeypatch.setenv("COMET_URL_OVERRIDE", url)
        monkeypatch.setenv("COMET_API_KEY", API_KEY)
        told = train(folder, 2, pace=Pace(epoch=0.3))
    assert told == (
        f"Comet: not sent ({url} does not answer); send the rest with: {program()} sync '{folder}'"
    )
    assert set(said(caplog)) <= {f"Comet: {url} does not answer (the run is not affected)"}
    assert len(RunFolder(folder).epochs) == 2


def test_wrong_key_is_said_and_not_shown(
    server: CometServer,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COMET_API_KEY", WRONG_KEY)
    told = train(folder, 1)
    assert f"not sent ({server.url} does not accept the API key)" in told
    assert WRONG_KEY not in told + " ".join(said(caplog)) + "".join(capfd.readouterr())
    assert files_with(WRONG_KEY, folder) == []
    monkeypatch.setenv("COMET_API_KEY", API_KEY)
    assert sync(folder)[0]
    assert_all_arrived(server, folder, 1)


def tracked_until(folder: Path, epoch: int) -> Tracker:
    """A run that has told this epoch, and whose server has it."""
    tracker = tracker_of(project="steel")
    tracker.start(described(folder))
    for number in range(1, epoch + 1):
        tracker.epoch(number, metrics_of(number), 50 * number)
    until = time.monotonic() + 120
    while read_receipt(folder).acknowledged < len(read_events(folder)):
        assert time.monotonic() < until
        time.sleep(0.05)
    return tracker


@pytest.mark.slow
def test_server_dying_in_the_middle_and_coming_back(server: CometServer, folder: Path) -> None:
    tracker = tracked_until(folder, 1)
    server.stop()
    began = time.monotonic()
    tracker.epoch(2, metrics_of(2), 100)
    assert time.monotonic() - began < 1
    told = end(tracker, {"loss": 0.5})
    assert f"sent to http://comet/{key_of(folder)}: 1 epoch, 0 pictures (" in told
    assert f"; send the rest with: {program()} sync '{folder}'" in told
    server.start()
    assert sync(folder)[0]
    assert_metrics(server, key_of(folder), 1, 2)


@pytest.mark.slow
@pytest.mark.parametrize("status", [500, 400, 403])
def test_server_that_fails_in_the_middle(server: CometServer, folder: Path, status: int) -> None:
    tracker = tracked_until(folder, 1)
    server.failing = status
    tracker.epoch(2, metrics_of(2), 100)
    told = end(tracker, {})
    assert "1 epoch, 0 pictures (" in told
    assert API_KEY not in told
    assert files_with(API_KEY, folder) == []
    server.failing = None
    assert sync(folder)[0]
    assert_metrics(server, key_of(folder), 1, 2)


@pytest.mark.slow
def test_a_server_that_throttles_gets_all_the_same(server: CometServer, folder: Path) -> None:
    tracker = tracked_until(folder, 1)
    server.throttled = 2
    tracker.epoch(2, metrics_of(2), 100)
    end(tracker, {})
    assert sync(folder)[0]
    assert_metrics(server, key_of(folder), 1, 2)


@pytest.mark.slow
def test_a_server_that_hangs_holds_nothing_up(
    server: CometServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for what in ("HTTP", "API", "CLEANING", "UPLOAD"):
        monkeypatch.setenv(f"COMET_TIMEOUT_{what}", "1")
    tracker = tracked_until(folder, 1)
    server.hanging.set()
    began = time.monotonic()
    for epoch in range(2, 12):
        tracker.epoch(epoch, metrics_of(epoch), 50 * epoch)
    assert time.monotonic() - began < 2
    began = time.monotonic()
    assert "send the rest with" in end(tracker, {})
    assert time.monotonic() - began < 30
    server.hanging.clear()
    assert sync(folder)[0]
    assert_metrics(server, key_of(folder), *range(1, 12))


KINDS = {
    "an epoch": "/experiment/metric",
    "a picture": "/visualizations/upload",
    "a file": "/asset/upload",
    "a model's registration": "/registry-model/item/create",
    "a model's metadata": "/metadata",
    "parameters": "/experiment/parameter",
    "others": "/log-other",
}


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=[] if kind == "an epoch" else pytest.mark.slow) for kind in KINDS],
)
def test_what_the_server_took_without_saying_so_is_not_sent_again(
    server: CometServer, folder: Path, kind: str
) -> None:
    forgotten: list[Request] = []

    def forget(request: Request) -> bool:
        if request.path.endswith(KINDS[kind]) and len(forgotten) < 1:
            forgotten.append(request)
            return True
        return False

    server.forgetting = forget
    train(folder, 2)
    sync(folder)
    assert sync(folder)[0]
    assert forgotten
    assert_all_arrived(server, folder, 2)


@pytest.mark.slow
def test_a_lost_receipt_doubles_nothing(server: CometServer, folder: Path) -> None:
    train(folder, 2)
    (folder / "sent.json").unlink()
    assert sync(folder)[0]
    assert_all_arrived(server, folder, 2)


@pytest.mark.slow
def test_two_processes_that_sync_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(folder, 3)
    with comet_server() as server:
        point_to(server, os.environ)
        both = [Forked(lambda: 0 if sync(folder)[0] else 1) for _ in range(2)]
        assert [process.wait() for process in both] == [0, 0]
        assert_all_arrived(server, folder, 3)


@pytest.mark.slow
def test_a_changed_file_is_left_out_and_named(server: CometServer, folder: Path) -> None:
    receipt = read_receipt(folder)
    server.stop()
    train(folder, 1)
    RunFolder(folder).overlay(1, STRIPS[0]).write_bytes(b"another")
    server.start()
    write_receipt(folder, receipt)
    complete, line = sync(folder)
    assert complete
    assert "1 epoch, 1 picture at" in line
    assert "; left out: overlays/epoch_001/image 7.png is no longer what it was" in line
    assert [name for name, _, _ in server.pictures(key_of(folder))] == [STRIPS[1]]


def test_a_journal_that_cannot_be_written_does_not_stop_the_run(
    server: CometServer, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "journal.jsonl").mkdir()
    assert train(folder, 1) == "Comet: not tracked"
    assert "the run is not affected" in said(caplog)[0]


def test_a_damaged_journal_does_not_stop_the_run(
    server: CometServer, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "journal.jsonl").write_text("nonsense\n")
    assert train(folder, 1).startswith("Comet: 1 epoch, 2 pictures at ")
    (warning,) = said(caplog)
    assert f"Comet: {folder}/journal.jsonl:1: not the next event of this run" in warning
    assert "kept with the ending .damaged-1, and tracked as a new experiment" in warning
    assert (folder / "journal.jsonl.damaged-1").read_text() == "nonsense\n"
    assert_all_arrived(server, folder, 1)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"model": "none", "model_status": "Development"}, "model_status is Development: without"),
        ({"contents": ("page",), "system_seconds": 5.0}, "system_seconds is 5: without effect"),
    ],
)
def test_settings_without_effect_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(UserError, match=text):
        tracker_of(**settings)


def test_online_without_a_key_is_refused() -> None:
    with pytest.raises(UserError, match=r"mode is online.*COMET_API_KEY.*offline.*comet login"):
        tracker_of(mode="online")


def test_standing_of_a_run_that_nobody_sent(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "begin_sending", lambda *_: Forked(lambda: 1))
    assert "not sent (interrupted)" in train(folder, 1)
    assert status_line(folder, problem="why").startswith(
        "Comet: not sent (why); send the rest with"
    )


def wait_for(path: Path, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < until, path
        time.sleep(0.01)


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("epoch", marks=pytest.mark.slow),
        pytest.param("checkpoint", marks=pytest.mark.slow),
        "logging",
    ],
)
def test_killed_resumed_and_synced(server: CometServer, folder: Path, moment: str) -> None:
    pace = Pace(epoch=0.5, checkpoint=0.5)
    process = in_a_process(folder, 3, pace)
    if moment == "epoch":
        wait_for(RunFolder(folder).overlay(1, STRIPS[1]).with_suffix(".json"))
        time.sleep(0.7)
    elif moment == "checkpoint":
        wait_for(RunFolder(folder).overlay(2, STRIPS[1]).with_suffix(".json"))
    else:
        until = time.monotonic() + 60
        while not any(r.path.endswith("/experiment/metric") for r in server.requests):
            assert time.monotonic() < until
            time.sleep(0.001)
    kill(process)
    train(folder, 3)
    for _ in range(2):
        assert sync(folder)[0]
        assert_all_arrived(server, folder, 3)


@pytest.mark.slow
def test_killed_while_the_archive_is_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import comet_ml

    with monkeypatch.context() as patch:
        patch.setattr(
            comet_ml.OfflineExperiment, "end", lambda _: os.kill(os.getpid(), signal.SIGKILL)
        )
        assert "not sent (interrupted)" in train(folder, 2)
    left = list((folder / "comet").iterdir())
    train(folder, 2)
    assert [path.name for path in (folder / "comet").iterdir()] == [f"{key_of(folder)}.zip"]
    assert left != list((folder / "comet").iterdir())
    assert Archive(folder / "comet" / f"{key_of(folder)}.zip").metrics() == (
        expected_metrics(1, 2) + final_metrics(2)
    )
    with comet_server() as server:
        point_to(server, os.environ)
        assert sync(folder)[0]
        assert_all_arrived(server, folder, 2)


@pytest.mark.slow
def test_key_in_comets_own_file_and_a_process_of_its_own(
    server: CometServer, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".comet.config").write_text(f"[comet]\napi_key = {API_KEY}\n")
    monkeypatch.delenv("COMET_API_KEY")
    monkeypatch.setattr(forked, "begin_sending", None)  # the real one is in use there
    done = subprocess.run(
        [sys.executable, "-m", "tests.tracked_run", str(folder), "1"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"Comet: 1 epoch, 2 pictures at http://comet/{key_of(folder)}\n"
    assert done.stderr == ""
    assert_all_arrived(server, folder, 1)


def test_comet_is_not_told_the_account(
    server: CometServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """comet_ml would name it in a notification at the end."""
    for name in ("USER", "LOGNAME"):
        monkeypatch.setenv(name, "zebediah")
    train(folder, 1)
    assert leaks(sent(server) | written(folder), {"account": "zebediah", "key": API_KEY}) == []
    assert any("/batch/logger/experiment/metric" in name for name in sent(server))
    assert not any("/notification/" in name for name in sent(server))
