"""What a server has to hold of a tests.tracked_run, and ways to disturb it."""

import json
import os
import signal
import zipfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from steelexp.metric_names import BEST, LOWER, UPPER, grouped_name
from steelexp.records.store import RunFolder
from steelexp.tracking.attachments import Part
from steelexp.tracking.journal import end_of, read_events
from steelexp.tracking.receipt import read_receipt
from tests.comet_server import CometServer
from tests.forked import Forked
from tests.tracked_run import AT_ONCE, FACTS, FINAL, REVIEW, STRIPS, Pace, metrics_of, train

Metric = tuple[str, float, int, int]
"""Name, value, step and epoch."""

DETAILS = {"source.zip", "image_scores.csv", "report.html"}
"""Files of `assert_details`."""

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
    return [m for m in metrics if not is_final(m[0]) and not m[0].startswith("sys.")]


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
    overlays = [each for each in server.pictures(key) if not each[0].startswith("plots/")]
    assert [(name, step) for name, step, _ in overlays] == wanted
    for name, step, request in overlays:
        local = run.overlay(step // 50, name).read_bytes()
        np.testing.assert_array_equal(pixels(request.file), pixels(local))
    files = [name for name, _ in server.assets(key) if name not in DETAILS]
    assert files == ["spec.yaml", "components.json", "classes.csv", "model.onnx"]
    assert_review(server, key, folder, 50 * epochs)
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


def assert_details(server: CometServer, folder: Path) -> None:
    """What the run was, each event of it once and with its time."""
    key, events = key_of(folder), read_events(folder)
    (git, *repeated) = server.git(key)
    assert all(each == git for each in repeated)  # it is overwritten
    assert (git["parent"], git["branch"]) == ("3f9c1a7", "main")
    assert git["user"] is git["origin"] is git["root"] is None
    assert server.packages(key)[-1] == ["h5py==3.16.0", "numpy==2.4.6"]
    printed = [
        (f"{line}\n", 1000 * event.time)
        for event in events
        if event.kind == "console"
        for line in event.content["text"].splitlines()
    ]
    console = server.console(key)
    assert [line for line, _ in console] == [line for line, _ in printed]
    times = [time for _, time in printed]
    assert [time for _, time in console] == pytest.approx(times, rel=0, abs=1)
    samples = [
        (name, event.content["sample"], round(1000 * event.time))
        for event in events
        if event.kind == "machine"
        for name in event.content["metrics"]
    ]
    taken = [m for m in server.metrics(key) if m[0].startswith("sys.")]
    assert sorted((name, step) for name, _, step, _ in taken) == sorted(
        (name, step) for name, step, _ in samples
    )
    assert set(samples) <= server.metric_times(key)
    epochs = {
        (name, event.content["step"], round(1000 * event.time))
        for event in events
        if event.kind in ("epoch", "final")
        for name in event.content["metrics"]
    }
    assert epochs <= server.metric_times(key)
    assert server.duration(key) == (round(1000 * events[0].time), round(1000 * end_of(events)))
    files = [(name, request.file) for name, request in server.assets(key)]
    names = [name for name, _ in files]
    assert {name: names.count(name) for name in DETAILS} == dict.fromkeys(DETAILS, 1)
    content = dict(files)
    assert content["report.html"] == b"<p>b4_dice</p>"
    assert content["image_scores.csv"].decode().splitlines()[1] == "val,image 7,1,'=1+1,3,3,3,0.5"
    with zipfile.ZipFile(BytesIO(content["source.zip"])) as archive:
        assert b"def write_source" in archive.read("steelexp/tracking/attachments.py")
        assert all(name.startswith("steelexp/") for name in archive.namelist())
    plots = [name for name, *_ in server.pictures(key) if name.startswith("plots/")]
    assert plots == ["plots/pr"]
    receipt = read_receipt(folder)
    assert (receipt.acknowledged, receipt.refused) == (len(events), {})


def assert_review(server: CometServer, key: str, folder: Path, step: int) -> None:
    """Each picture once, and the matrix names those of its cells."""
    arrived = server.examples(key)
    assert [(name, at) for name, at, _ in arrived] == [(name, step) for name in REVIEW]
    for number, (_, _, request) in enumerate(arrived, start=1):
        assert request.file == (folder / "review" / f"{number}.png").read_bytes()
    matrix = json.loads(dict(server.assets(key))["components.json"].file)
    assert matrix["matrix"] == [[0, 1], [1, 4]]
    ids = {name: request.upload for name, _, request in arrived}
    shown = [
        [cell and [(each["sample"], each["assetId"]) for each in cell] for cell in row]
        for row in matrix["sampleMatrix"]
    ]
    _, missed, invented = ids.items()
    assert shown == [[None, [invented]], [[missed], None]]


def files_with(secret: str, folder: Path) -> list[Path]:
    """Files below a folder that hold a text; members of archives too."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    found = [path for path in paths if secret.encode() in path.read_bytes()]
    for path in folder.rglob("*.zip"):
        with zipfile.ZipFile(path) as archive:
            found += [path for name in archive.namelist() if secret.encode() in archive.read(name)]
    return found


def in_a_process(
    folder: Path, epochs: int, pace: Pace = AT_ONCE, parts: Sequence[Part] = ("packages",)
) -> Forked:
    def act() -> int:
        train(folder, epochs, pace=pace, parts=parts)
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
