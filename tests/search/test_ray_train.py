"""Real trainings in Ray's workers, from the command line, and workers killed in their midst."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pytest

from steelexp.__main__ import main
from steelexp.data import rle
from steelexp.records.store import run_folders
from steelexp.training import checkpoint

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def not_last_in_line(monkeypatch):
    """Ray's workers are at niceness 15 by default, behind everything else on a busy machine."""
    monkeypatch.setenv("RAY_worker_niceness", "0")


@pytest.fixture
def spec(tmp_path):
    """Ten images of 64 x 128, a square on eight of them; six of them train, four a step."""
    images, draw = tmp_path / "severstal" / "train_images", np.random.default_rng(0)
    images.mkdir(parents=True)
    rows = ["ImageId,ClassId,EncodedPixels"]
    for number in range(10):
        image, mask = draw.integers(70, 130, (64, 128), np.uint8), np.zeros((64, 128), bool)
        if number < 8:
            mask[16:48, 8 * number + 16 : 8 * number + 48] = True
            rows.append(f"{number}.png,{number % 4 + 1},{rle.encode(mask)}")
        image[mask] = 200
        cv2.imwrite(str(images / f"{number}.png"), image)
    (tmp_path / "severstal" / "train.csv").write_text("\n".join(rows) + "\n")
    path = tmp_path / "tiny.yaml"
    path.write_text(
        f"""
        name: tiny
        data: {{source: severstal, root: {tmp_path / "severstal"}}}
        split: {{kind: random, val: 0.4, seed: 3}}
        tiling: {{kind: columns, size: 64, count: 1}}
        model: {{architecture: unet, backbone: mobilenet, weights: none, batch_norm_momentum: 0.9,
                 decoder_filters: [8, 8, 8, 8, 8]}}
        loss: {{name: dice, reduce: batch}}
        optimizer: {{name: adam, learning_rate: 1.0e-5}}
        training: {{epochs: 2, batch_size: 4}}
        tracking: {{name: none}}
        seed: 1
        """
    )
    return path


@pytest.mark.timeout(1200)
def test_two_workers_train_as_one_process(spec, tmp_path):
    folders = []
    for workers in (1, 2):
        runs = tmp_path / f"runs{workers}"
        assert main(["run", str(spec), f"training.workers={workers}", "--runs", str(runs)]) == 0
        folders += run_folders(runs)
    one, two = folders
    assert two.path.name == one.path.name
    assert [epoch.epoch for epoch in two.epochs] == [1, 2]
    for name in ("loss", "val_loss"):
        expected = [epoch.metrics[name] for epoch in one.epochs]
        assert [epoch.metrics[name] for epoch in two.epochs] == pytest.approx(expected, abs=1e-4)
    assert two.record.device.startswith("2 x ")
    assert sorted(path.name for path in two.path.iterdir()) == sorted(
        path.name for path in one.path.iterdir()
    )


def ray_processes(title):
    """Numbers of this test's own ones, by what Ray calls them: `ray::trial 0000`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cmdline").read_text().startswith(f"ray::{title}") and is_own(process):
                found.append(int(process.name))
    return found


def is_own(process):
    """Whether it descends from this process: another test may use Ray at the same time."""
    parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
    return parent == os.getpid() or (parent > 1 and is_own(process.with_name(str(parent))))


@contextlib.contextmanager
def killing_one(title, when, which=lambda process: True):
    """Kill one process with this title once `when` comes true; yields those that were killed."""
    killed, over = [], threading.Event()

    def watch():
        while not (killed or over.wait(0.02)):
            if when() and (found := [*filter(which, ray_processes(title))]):
                os.kill(found[-1], signal.SIGKILL)
                killed.append(found[-1])

    watcher = threading.Thread(target=watch)
    watcher.start()
    yield killed
    over.set()
    watcher.join()


def has_an_epoch(runs):
    return any(path.stat().st_size for path in runs.glob("**/epochs.jsonl"))


def is_chief(process):
    """Whether it holds a run folder."""
    opened = []
    with contextlib.suppress(OSError):
        opened = [str(file.readlink()) for file in Path(f"/proc/{process}/fd").iterdir()]
    return any(name.endswith("/.lock") for name in opened)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("chief", [False, True], ids=["another", "chief"])
def test_a_worker_lost_in_mid_training(spec, tmp_path, capsys, chief):
    runs = tmp_path / "runs"
    command = ["run", str(spec), "training.workers=2", "training.epochs=20", "--runs", str(runs)]
    with killing_one(
        "RayTrainWorker", lambda: has_an_epoch(runs), lambda process: is_chief(process) == chief
    ) as killed:
        assert main(command) == 0
    assert len(killed) == 1
    assert "a worker was lost" in capsys.readouterr().out
    (folder,) = run_folders(runs)
    assert [epoch.epoch for epoch in folder.epochs] == [*range(1, 21)]
    assert folder.record is not None


def killed_session(spec, runs, workers, lines):
    """Train in a process of its own and kill it once so many epochs are written down."""
    words = [f"training.workers={workers}", "training.epochs=20", "--runs", str(runs)]
    session = subprocess.Popen(
        [sys.executable, "-m", "steelexp", "run", str(spec), *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
    )
    while sum(path.read_bytes().count(b"\n") for path in runs.glob("**/epochs.jsonl")) < lines:
        assert session.poll() is None
        time.sleep(0.02)
    session.kill()
    session.wait()
    while ray_processes("RayTrainWorker"):  # they end with their driver
        time.sleep(0.1)


@pytest.mark.timeout(1200)
def test_the_number_of_workers_may_change_between_sessions(spec, tmp_path):
    """One process, two workers, one process; the first kill is followed by a lost line."""
    runs = tmp_path / "runs"
    killed_session(spec, runs, workers=1, lines=2)
    (folder,) = run_folders(runs)
    lines = folder.path / "epochs.jsonl"
    before = [json.dumps(asdict(epoch)) for epoch in folder.epochs]
    if len(checkpoint.epochs_of(folder.last_weights, folder.digest)) == len(before):
        # The last checkpoint is written and its line is not.
        lines.write_text("".join(lines.read_text().splitlines(keepends=True)[:-1]))

    killed_session(spec, runs, workers=2, lines=len(before) + 2)
    assert main(["run", str(spec), "training.epochs=20", "--runs", str(runs)]) == 0

    assert [run.path for run in run_folders(runs)] == [folder.path]
    assert [epoch.epoch for epoch in folder.epochs] == [*range(1, 21)]
    assert [json.dumps(asdict(epoch)) for epoch in folder.epochs[: len(before)]] == before
    assert folder.record is not None
    assert folder.record.device.startswith("CPU")


@pytest.mark.timeout(1200)
def test_a_training_that_fails_is_no_lost_worker(spec, tmp_path, capsys):
    command = ["run", str(spec), "training.workers=2", "optimizer.learning_rate=1.0e+30"]
    assert main([*command, "training.epochs=3", "--runs", str(tmp_path / "runs")]) == 1
    said = capsys.readouterr()
    assert "steelexp: tiny, seed 1: tiny: loss is nan after epoch 1" in said.err
    assert "a worker was lost" not in said.out


@pytest.mark.timeout(1200)
def test_a_search_of_real_trainings(spec, tmp_path, capsys):
    """Two trials at once; one of them is killed after its first epoch and goes on."""
    spec.write_text(
        spec.read_text()
        + """
        search:
          tuner: {name: grid}
          space:
            optimizer.learning_rate: {choice: [1.0e-5, 1.0e-3]}
        """
    )
    runs = tmp_path / "runs"
    command = ["run", str(spec), "--runs", str(runs), "training.epochs=20"]
    with killing_one("trial", lambda: has_an_epoch(runs)) as killed:
        assert main([*command, "--executor", "ray", "--workers", "2"]) == 0
    assert len(killed) == 1
    assert "its process was killed; it goes on in another" in capsys.readouterr().out
    summary = json.loads((runs / "tiny" / "search" / "search.json").read_text())
    assert [trial["status"] for trial in summary["trials"]] == ["finished", "finished"]
    folders = list(run_folders(runs))
    assert len(folders) == 2
    for folder in folders:
        assert [epoch.epoch for epoch in folder.epochs] == [*range(1, 21)]
    assert main(["run", str(runs / "tiny" / "search" / "best.yaml"), "--runs", str(runs)]) == 0
