"""What a server has to hold of a tests.tracked_run, and ways to disturb it."""

import os
import signal
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from steelexp.metric_names import BEST, LOWER, UPPER, grouped_name
from steelexp.records.store import RunFolder
from steelexp.tracking.journal import read_events
from steelexp.tracking.receipt import read_receipt
from tests.comet_server import CometServer
from tests.forked import Forked
from tests.tracked_run import AT_ONCE, FACTS, FINAL, STRIPS, Pace, metrics_of, train

Metric = tuple[str, float, int, int]
"""Name, value, step and epoch."""

GROUPS = {BEST, LOWER, UPPER, "gaussian"}


def expected_metrics(*epochs: int) -> list[Metric]:
    """Comet sends the names of one call in alphabetical order."""
    return [
        (name, value, 50 * epoch, epoch)
        for epoch in epochs
        for name, value in sorted(metrics_of(epoch).items())
    ]


def per_epoch(metrics: list[Metric]) -> list[Metric]:
    """The metrics of epochs among all; a final metric begins with its group."""
    return [metric for metric in metrics if not is_final(metric[0])]


def is_final(name: str) -> bool:
    return name.partition("/")[0] in GROUPS


def final_metrics(epochs: int) -> list[Metric]:
    """What is told at the end, once."""
    return [
        (grouped_name(BEST, name), value, 50 * epochs, epochs)
        for name, value in sorted(FINAL.items())
    ]


def pixels(content: bytes) -> Any:
    return np.asarray(Image.open(BytesIO(content)))


def key_of(folder: Path) -> str:
    return str(read_events(folder)[0].content["key"])


def assert_metrics(server: CometServer, key: str, *epochs: int) -> None:
    """Every value once, one epoch after the other."""
    arrived = per_epoch(server.metrics(key))
    assert sorted(arrived) == sorted(expected_metrics(*epochs))
    steps = [step for _, _, step, _ in arrived]
    assert steps == sorted(steps)


def assert_all_arrived(server: CometServer, folder: Path, epochs: int) -> None:
    """Each event once, in order, under one key, and as the run folder has it."""
    key, run = key_of(folder), RunFolder(folder)
    assert server.experiments == {key}
    assert [epoch.metrics for epoch in run.epochs] == [metrics_of(n) for n in range(1, epochs + 1)]
    assert_metrics(server, key, *range(1, epochs + 1))
    wanted = [(image, 50 * n) for n in range(1, epochs + 1) for image in STRIPS]
    assert [(name, step) for name, step, _ in server.pictures(key)] == wanted
    for name, step, request in server.pictures(key):
        local = run.overlay(step // 50, name).read_bytes()
        np.testing.assert_array_equal(pixels(request.file), pixels(local))
    assert [name for name, _ in server.assets(key)] == ["spec.yaml", "classes.csv", "model.onnx"]
    (data,) = (v for v in server.artifacts.versions["severstal-steel"] if v.state == "CLOSED")
    assert data.consumers == {key}
    assert set(data.files) == {"images.csv"}
    assert server.registered == {"b4-dice": [key]}
    (version,) = server.registry.models["b4-dice"]
    assert version.metadata == FACTS
    assert set(version.body["tags"]) == {"focal", "severstal"}
    assert version.body["versionComment"] == "b4_dice 3f9c1a7e: val_dice_positive 0.325"
    assert server.parameters(key)["loss.gamma"] == 2.0
    assert server.others(key)["status"] == "finished"
    final = [metric for metric in server.metrics(key) if is_final(metric[0])]
    assert final == final_metrics(epochs)
    receipt = read_receipt(folder)
    assert (receipt.acknowledged, receipt.refused) == (len(read_events(folder)), {})


def files_with(secret: str, folder: Path) -> list[Path]:
    """Files below a folder that hold a text; members of archives too."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    found = [path for path in paths if secret.encode() in path.read_bytes()]
    for path in folder.rglob("*.zip"):
        with zipfile.ZipFile(path) as archive:
            found += [path for name in archive.namelist() if secret.encode() in archive.read(name)]
    return found


def in_a_process(folder: Path, epochs: int, pace: Pace = AT_ONCE) -> Forked:
    def act() -> int:
        train(folder, epochs, pace=pace)
        return 0

    return Forked(act)


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def kill(process: Forked) -> None:
    """The run and, since a machine that goes down takes both, what sends it."""
    for pid in [process.pid, *children(process.pid)]:
        os.kill(pid, signal.SIGKILL)
    process.wait()
