import hashlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import types
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from steelexp.tracking import TrackedRun, Tracker, TrackingError
from steelexp.tracking.comet import comet
from tests.comet_archive import Archive
from tests.comet_server import API_KEY, CometServer, comet_server

MakeRun = Callable[..., TrackedRun]
Overlay = Callable[[int], Path]

KEY = hashlib.sha1(b"b4_dice/3f9c1a7e").hexdigest()  # what get_experiment_key makes of it
CLASSES = ("1", "2", "3", "4")


def metrics_of(epoch: int) -> dict[str, float]:
    per_class = {f"val_dice_positive/{c}": 0.1 * epoch + 0.01 * int(c) for c in CLASSES}
    return {"loss": 1 / epoch, "val_dice_positive": 0.1 * epoch + 0.025, **per_class}


def expected_metrics(*epochs: int) -> list[tuple[str, float, int, int]]:
    """Comet sends the names of one call in alphabetical order."""
    return [
        (name, value, 50 * epoch, epoch)
        for epoch in epochs
        for name, value in sorted(metrics_of(epoch).items())
    ]


def track(tracker: Tracker, overlay: Overlay, *epochs: int) -> None:
    for epoch in epochs:
        tracker.epoch(epoch, metrics_of(epoch), 50 * epoch)
        tracker.picture(overlay(epoch), name="strip 7", epoch=epoch, step=50 * epoch)


def pixels(content: bytes) -> Any:
    return np.asarray(Image.open(BytesIO(content)))


def only_archive(run: TrackedRun) -> Archive:
    """Return the archive, the one file in its folder, named by the key."""
    assert [path.name for path in (run.folder / "comet").iterdir()] == [f"{KEY}.zip"]
    return Archive(run.folder / "comet" / f"{KEY}.zip")


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name.startswith("steelexp")]


def files_with_the_key(folder: Path) -> list[Path]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    found = [path for path in paths if API_KEY.encode() in path.read_bytes()]
    for path in folder.rglob("*.zip"):
        with zipfile.ZipFile(path) as archive:
            found += [path for name in archive.namelist() if API_KEY.encode() in archive.read(name)]
    return found


def test_offline_archive_holds_the_run(
    make_run: MakeRun, overlay: Overlay, caplog: pytest.LogCaptureFixture
) -> None:
    run = make_run()
    tracker = comet(project="steel")
    tracker.start(run)
    assert not tracker.wants_replay
    track(tracker, overlay, 1, 2, 3)
    told = tracker.finish({"val_dice_positive": 0.325})

    archive = only_archive(run)
    assert archive.experiment["offline_id"] == KEY
    assert archive.experiment["project_name"] == "steel"
    assert set(archive.experiment["tags"]) == {"focal", "severstal"}
    assert archive.metrics() == expected_metrics(1, 2, 3)
    assert {f"val_dice_positive/{c}" for c in CLASSES} <= {m[0] for m in archive.metrics()}
    assert archive.parameters() == {
        "loss.name": "focal",
        "loss.gamma": 2.0,
        "seed": 42,
        "extends": "null",
    }
    others = archive.others()
    assert others["Name"] == "b4_dice"
    assert others["git/commit"] == "3f9c1a7"
    assert others["best/val_dice_positive"] == 0.325
    assert [name for name, _ in archive.uploads("fileName")] == ["spec.yaml"]
    assert list(archive.uploads("fileName").values()) == [b"name: b4_dice\n"]
    pictures = archive.uploads("figName")
    assert list(pictures) == [("strip 7", 50), ("strip 7", 100), ("strip 7", 150)]
    for epoch in (1, 2, 3):
        local = pixels(overlay(epoch).read_bytes())
        np.testing.assert_array_equal(pixels(pictures["strip 7", 50 * epoch]), local)

    path = run.folder / "comet" / f"{KEY}.zip"
    assert told == (
        "Comet: not sent (no API key is configured); 3 epochs, 3 pictures kept; "
        f"send with: comet upload '{path}'"
    )
    assert said(caplog) == []


def test_archive_spans_the_time_of_the_run(make_run: MakeRun, overlay: Overlay) -> None:
    run = make_run()
    tracker = comet(mode="offline")
    before = time.time()
    tracker.start(run)
    time.sleep(0.5)
    assert "tracking.mode is offline" in tracker.finish({})
    experiment = only_archive(run).experiment
    assert abs(experiment["start_time"] / 1000 - before) < 0.4
    assert experiment["stop_time"] - experiment["start_time"] >= 500


def test_undefined_metrics_are_gaps(make_run: MakeRun) -> None:
    run = make_run()
    tracker = comet()
    tracker.start(run)
    tracker.epoch(1, {"val_dice_positive/2": float("nan"), "loss": 0.5}, 50)
    tracker.finish({})
    assert only_archive(run).metrics() == [("loss", 0.5, 50, 1)]


def test_live_run(
    make_run: MakeRun,
    overlay: Overlay,
    server: CometServer,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    run = make_run()
    tracker = comet(mode="online")
    tracker.start(run)
    track(tracker, overlay, 1, 2, 3)
    told = tracker.finish({"val_dice_positive": 0.325})

    assert server.experiments == {KEY}
    assert server.metrics(KEY) == expected_metrics(1, 2, 3)
    assert server.parameters(KEY)["loss.gamma"] == 2.0
    assert server.tags(KEY) == {"focal", "severstal"}
    assert server.others(KEY)["git/dirty"] == "false"
    assert server.others(KEY)["best/val_dice_positive"] == 0.325
    assert server.assets(KEY) == {"spec.yaml": b"name: b4_dice\n"}
    pictures = server.pictures(KEY)
    assert set(pictures) == {("strip 7", 50), ("strip 7", 100), ("strip 7", 150)}
    for epoch in (1, 2, 3):
        local = pixels(overlay(epoch).read_bytes())
        np.testing.assert_array_equal(pixels(pictures["strip 7", 50 * epoch]), local)

    assert told == f"Comet: 3 epochs, 3 pictures at http://comet/{KEY}"
    assert said(caplog) == []
    assert capfd.readouterr() == ("", "")
    assert not (run.folder / "comet").exists()
    assert files_with_the_key(run.folder) == []


def test_resumed_live_run_goes_on_in_its_experiment(
    make_run: MakeRun, overlay: Overlay, server: CometServer
) -> None:
    first = comet()
    first.start(make_run())
    track(first, overlay, 1)
    first.finish({})
    second = comet()
    second.start(make_run(resumed=True))
    assert not second.wants_replay
    track(second, overlay, 2)
    second.finish({})
    assert server.experiments == {KEY}
    assert server.metrics(KEY) == expected_metrics(1, 2)


def test_run_resumed_live_after_an_offline_start_is_told_all(
    make_run: MakeRun, server: CometServer
) -> None:
    tracker = comet()
    tracker.start(make_run(resumed=True))
    assert tracker.wants_replay
    tracker.finish({})


def test_two_runs_in_one_process_are_two_experiments(
    make_run: MakeRun, overlay: Overlay, server: CometServer
) -> None:
    for seed in (0, 1):
        tracker = comet()
        tracker.start(make_run(identity=f"seed {seed}"))
        track(tracker, overlay, seed + 1)
        tracker.finish({})
    for seed in (0, 1):
        key = hashlib.sha1(f"seed {seed}".encode()).hexdigest()
        assert server.metrics(key) == expected_metrics(seed + 1)


@pytest.mark.parametrize("answering", [False, True], ids=["refuses", "never answers"])
def test_server_away_at_start(
    make_run: MakeRun,
    overlay: Overlay,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    answering: bool,
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if answering:  # the kernel takes connections, and nobody reads them
            listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/clientlib/"
        monkeypatch.setenv("COMET_URL_OVERRIDE", url)
        monkeypatch.setenv("COMET_API_KEY", API_KEY)
        run = make_run()
        tracker = comet()
        began = time.monotonic()
        tracker.start(run)
        assert time.monotonic() - began < 8
        track(tracker, overlay, 1, 2)
        told = tracker.finish({})
    assert only_archive(run).metrics() == expected_metrics(1, 2)
    assert said(caplog) == [f"Comet: {url} does not answer (the run is not affected)"]
    assert told.startswith(f"Comet: not sent ({url} does not answer); 2 epochs, 2 pictures kept;")


def test_wrong_key_is_said_and_not_shown(
    make_run: MakeRun,
    overlay: Overlay,
    server: CometServer,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong = "wrong0key0wrong0key0wrong0key"
    monkeypatch.setenv("COMET_API_KEY", wrong)
    run = make_run()
    tracker = comet()
    tracker.start(run)
    track(tracker, overlay, 1)
    told = tracker.finish({})
    assert said(caplog) == [
        f"Comet: {server.url} does not accept the API key (the run is not affected)"
    ]
    assert only_archive(run).metrics() == expected_metrics(1)
    assert wrong not in told + " ".join(said(caplog)) + "".join(capfd.readouterr())


def test_server_dying_in_the_middle_then_upload(
    make_run: MakeRun,
    overlay: Overlay,
    server: CometServer,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COMET_TIMEOUT_UPLOAD", "2")
    run = make_run()
    tracker = comet()
    tracker.start(run)
    track(tracker, overlay, 1)
    server.stop()
    track(tracker, overlay, 2, 3)
    began = time.monotonic()
    told = tracker.finish({})
    assert time.monotonic() - began < 15
    assert only_archive(run).metrics() == expected_metrics(1, 2, 3)
    assert told.startswith(f"Comet: http://comet/{KEY} lacks part of this run (")
    assert "; 3 epochs, 3 pictures kept; send with: comet upload " in told
    assert len(said(caplog)) == 1
    assert API_KEY not in told + " ".join(said(caplog)) + "".join(capfd.readouterr())
    assert files_with_the_key(run.folder) == []

    with comet_server() as again:
        again.experiments.add(KEY)
        monkeypatch.setenv("COMET_URL_OVERRIDE", again.url)
        command = shlex.split(told.split("send with: ")[1])
        scripts = {**os.environ, "PATH": str(Path(sys.executable).parent)}
        subprocess.run(command, env=scripts, check=True, capture_output=True)
        assert sorted(again.metrics(KEY)) == sorted(expected_metrics(1, 2, 3))
        assert set(again.pictures(KEY)) == {("strip 7", 50), ("strip 7", 100), ("strip 7", 150)}


def test_server_that_fails_in_the_middle(
    make_run: MakeRun,
    overlay: Overlay,
    server: CometServer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COMET_TIMEOUT_UPLOAD", "2")
    run = make_run()
    tracker = comet()
    tracker.start(run)
    track(tracker, overlay, 1)
    server.failing = 400
    track(tracker, overlay, 2)
    told = tracker.finish({})
    assert only_archive(run).metrics() == expected_metrics(1, 2)
    assert f"http://comet/{KEY} lacks part of this run (" in told
    assert len(said(caplog)) == 1


def test_server_that_hangs_holds_nothing_up(
    make_run: MakeRun,
    overlay: Overlay,
    server: CometServer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for what in ("HTTP", "API", "CLEANING", "UPLOAD"):
        monkeypatch.setenv(f"COMET_TIMEOUT_{what}", "1")
    run = make_run()
    tracker = comet()
    tracker.start(run)
    server.hanging.set()
    began = time.monotonic()
    track(tracker, overlay, *range(1, 11))
    assert time.monotonic() - began < 1  # drawing ten overlays included
    began = time.monotonic()
    told = tracker.finish({})
    assert time.monotonic() - began < 15
    assert only_archive(run).metrics() == expected_metrics(*range(1, 11))
    assert "lacks part of this run" in told
    assert len(said(caplog)) == 1


class Raising(types.ModuleType):
    """A comet_ml in which everything that can be called raises."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def broken(*args: object, **kwargs: object) -> None:
            raise RuntimeError("out of order")

        return broken


def test_comet_raising_from_every_call(
    make_run: MakeRun,
    overlay: Overlay,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "comet_ml", Raising("comet_ml"))
    run = make_run()
    tracker = comet()
    tracker.start(run)
    track(tracker, overlay, 1, 2)
    told = tracker.finish({"loss": 0.5})
    assert said(caplog) == ["Comet: out of order (the run is not affected)"]
    assert told == "Comet: not sent (out of order); no archive either (out of order)"


def test_experiment_raising_from_every_call(
    make_run: MakeRun,
    overlay: Overlay,
    server: CometServer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import comet_ml

    for name in ("log_parameters", "log_metrics", "log_image", "log_others"):
        monkeypatch.setattr(comet_ml.CometExperiment, name, Raising("").broken)
    run = make_run()
    tracker = comet()
    tracker.start(run)
    track(tracker, overlay, 1)
    told = tracker.finish({"loss": 0.5})
    assert said(caplog) == ["Comet: out of order (the run is not affected)"]
    assert "0 epochs, 0 pictures kept" in told


def test_picture_that_is_not_taken_is_said(
    make_run: MakeRun, overlay: Overlay, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    run = make_run()
    tracker = comet()
    tracker.start(run)
    track(tracker, overlay, 1)
    for absent in ("a.png", "b.png"):
        tracker.picture(tmp_path / absent, name="strip 8", epoch=1, step=50)
    told = tracker.finish({})
    assert len(said(caplog)) == 1
    assert "a.png" in said(caplog)[0]
    assert "1 epoch, 1 picture kept" in told
    assert list(only_archive(run).uploads("figName")) == [("strip 7", 50)]


KILLED = """
import os, signal, sys
from pathlib import Path
from steelexp.tracking import TrackedRun
from steelexp.tracking.comet import comet

def die(*args):
    os.kill(os.getpid(), signal.SIGKILL)

folder = Path(sys.argv[1])
tracker = comet()
tracker.start(
    TrackedRun("b4_dice/3f9c1a7e", "b4_dice", folder, {}, (), {}, (), resumed=False)
)
for epoch in (1, 2):
    tracker.epoch(epoch, {"loss": 1 / epoch}, 50 * epoch)
if sys.argv[2] == "writing":
    import comet_ml
    comet_ml.OfflineExperiment.end = die
    tracker.finish({})
die()
"""


@pytest.mark.parametrize("moment", ["training", "writing"])
def test_killed_run_resumed_offline_is_one_complete_archive(
    make_run: MakeRun, overlay: Overlay, moment: str
) -> None:
    run = make_run(resumed=True)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(run.folder), moment], capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    tracker = comet()
    tracker.start(run)
    assert list(run.folder.glob("comet/*")) == []
    assert tracker.wants_replay
    track(tracker, overlay, 1, 2)
    track(tracker, overlay, 3)
    tracker.finish({})
    assert only_archive(run).metrics() == expected_metrics(1, 2, 3)


def test_online_without_a_key_is_refused() -> None:
    with pytest.raises(TrackingError, match=r"mode is online.*COMET_API_KEY.*comet login.*offline"):
        comet(mode="online")


TRACKED = """
import sys, time
from pathlib import Path
from steelexp.tracking import TrackedRun
from steelexp.tracking.trackers import TRACKERS
assert "comet_ml" not in sys.modules
folder = Path(sys.argv[1])
run = TrackedRun("b4_dice/3f9c1a7e", "b4_dice", folder, {}, ("a",), {}, (), resumed=False)
tracker = TRACKERS["comet"](mode="auto")
tracker.start(run)
tracker.epoch(1, {"loss": 0.5}, 50)
print(tracker.finish({"loss": 0.5}))
"""


def in_a_process_of_its_own(folder: Path) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", TRACKED, str(folder)], capture_output=True, text=True, check=True
    )
    return done.stdout, done.stderr


def test_key_in_comets_own_file(
    server: CometServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".comet.config").write_text(f"[comet]\napi_key = {API_KEY}\n")
    monkeypatch.delenv("COMET_API_KEY")
    out, err = in_a_process_of_its_own(tmp_path)
    assert out == f"Comet: 1 epoch, 0 pictures at http://comet/{KEY}\n"
    assert err == ""


def test_wrong_key_in_a_process_of_its_own(
    server: CometServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMET_API_KEY", "wrong0key0wrong0key0wrong0key")
    out, err = in_a_process_of_its_own(tmp_path)
    assert out.startswith(f"Comet: not sent ({server.url} does not accept the API key); 1 epoch,")
    assert err == f"Comet: {server.url} does not accept the API key (the run is not affected)\n"
