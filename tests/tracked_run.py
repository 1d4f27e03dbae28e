"""A run that trains nothing, told to its tracker as a training tells it; told again, it resumes.

A module of its own, without TensorFlow or pytest: tests start it in a process and kill it.
"""

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from steelexp.counts import Counts
from steelexp.progress import say, take_printed
from steelexp.records.image_scores import ImageScores, write_image_scores
from steelexp.records.store import Epoch, RunFolder
from steelexp.tracking import Picture, TrackedData, TrackedModel, TrackedRun, TrackedTrial, Tracker
from steelexp.tracking.alerts import Alert
from steelexp.tracking.attachments import Part
from steelexp.tracking.comet.tracker import Mode, comet
from steelexp.tracking.journaled import SYSTEM_SECONDS
from steelexp.tracking.tracker import Goal

CLASSES = ("1", "2", "3", "4")
FINAL = {"val_dice_positive": 0.325, "val_dice_positive/1": 0.3}
DIGEST = "cd" * 32
STRIPS = ("image 7", "image 9")
REVIEW = ("worst of 1, 1: 7, Dice 0.10", "missed 1 01: 7 x 0 y 0", "invented 1 01: 7 x 0 y 0")
FACTS = {"run": "3f9c1a7e", "data": "ab" * 32, "lower/val_dice_positive": 0.3}


@dataclass(frozen=True)
class Pace:
    """How fast it goes: seconds an epoch, and of writing the weights."""

    epoch: float = 0.0
    checkpoint: float = 0.0


AT_ONCE = Pace()


def metrics_of(epoch: int) -> dict[str, float]:
    """What an epoch is worth."""
    per_class = {f"val_dice_positive/{c}": 0.1 * epoch + 0.01 * int(c) for c in CLASSES}
    return {"loss": 1 / epoch, "val_dice_positive": 0.1 * epoch + 0.025, **per_class}


def described(
    folder: Path,
    *,
    name: str = "b4_dice",
    trial: TrackedTrial | None = None,
    goal: Goal | None = None,
) -> TrackedRun:
    """What is known of it before the first epoch."""
    (folder / "weights").mkdir(parents=True, exist_ok=True)
    spec = folder / "spec.yaml"
    spec.write_text("name: b4_dice\n")
    return TrackedRun(
        identity="b4_dice/3f9c1a7e",
        name=name,
        folder=folder,
        parameters={"loss.name": "focal", "loss.gamma": 2.0, "seed": 42, "extends": None},
        tags=("focal", "severstal"),
        git={"commit": "3f9c1a7", "branch": "main", "dirty": "false"},
        packages={"numpy": "2.4.6", "h5py": "3.16.0"},
        files=(spec,),
        model="b4-dice",
        trial=trial,
        goal=goal,
        data=data_of(folder),
    )


def data_of(folder: Path, digest: str = DIGEST) -> TrackedData:
    """Its data, of two images."""
    path = folder / "images.csv"
    path.write_text(f"image,image_hash,label_hash\nimage 7,{digest},01\nimage 9,ab,02\n")
    return TrackedData("severstal-steel", digest, {"images": 2}, (path,))


def draw(folder: Path, epoch: int, image: str) -> Path:
    """An epoch's overlay of an image: dark, so that a stretch would show; polygons beside it."""
    path = RunFolder(folder).overlay(epoch, image)
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(epoch).integers(0, 9, (16, 100, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    square = {"label": "3", "points": [[1, 1, 9, 1, 9, 9]], "score": None}
    layers = [{"name": "truth", "data": [square]}, {"name": "prediction", "data": []}]
    path.with_suffix(".json").write_text(json.dumps(layers))
    return path


def train(
    folder: Path,
    epochs: int,
    mode: Mode = "auto",
    pace: Pace = AT_ONCE,
    alerts: Sequence[Alert] = (),
    parts: Sequence[Part] = ("packages",),
) -> str:
    """Train from wherever an earlier process left it; the line that the tracker ends with."""
    run = RunFolder(folder)
    tracker = comet(
        project="steel",
        mode=mode,
        alerts=tuple(alerts),
        contents=tuple(parts),
        system_seconds=0.2 if "system" in parts else SYSTEM_SECONDS,
    )
    take_printed()
    with run.hold():
        tracker.start(described(folder))
        for epoch in run.epochs:
            _tell(tracker, folder, epoch)
        for number in range(len(run.epochs) + 1, epochs + 1):
            time.sleep(pace.epoch)
            for image in STRIPS:
                draw(folder, number, image)
            (folder / "weights" / "best.h5").write_bytes(bytes([number]))
            time.sleep(pace.checkpoint)
            run.append(Epoch(number, 50 * number, 0.1, metrics_of(number)))
            if "console" in parts:
                say(f"epoch {number} of process {os.getpid()}")
            _tell(tracker, folder, run.epochs[-1])
        evaluate(folder, parts)
        write_review(folder)
        tracker.finish(FINAL, registered(folder))
        return tracker.close(draw_page(folder) if "page" in parts else None)


def evaluate(folder: Path, parts: Sequence[Part]) -> None:
    """The files of its evaluation: two images, two classes, a plot."""
    if "scores" in parts:
        counts = Counts(*(np.array([[3, 0], [5, 7]]) for _ in range(3)))
        scores = ImageScores(STRIPS, np.array([1, 2]), ("=1+1", "2"), counts)
        write_image_scores(folder / "image_scores.parquet", {"val": scores})
    if "plots" in parts:
        (folder / "plots").mkdir(exist_ok=True)
        Image.fromarray(np.full((8, 8), 7, np.uint8)).save(folder / "plots" / "pr.png")


def draw_page(folder: Path) -> Path:
    """Its page, which is written again and again."""
    page = folder / "report.html"
    page.unlink(missing_ok=True)
    page.write_text("<p>b4_dice</p>")
    return page


def write_review(folder: Path) -> None:
    """A review of three pictures."""
    place = folder / "review"
    place.mkdir(exist_ok=True)
    (place / "worst.json").write_text("[]")
    for number in range(1, len(REVIEW) + 1):
        pixels = np.full((8, 16, 3), 50 * number, np.uint8)
        Image.fromarray(pixels).save(place / f"{number}.png")
    cells = zip(REVIEW[1:], ((1, 0), (0, 1)), strict=True)
    examples = [
        {"file": f"{n}.png", "name": name, "truth": t, "prediction": p, "image": "7", "area": 9}
        | {"top": 0, "left": 0}
        for n, (name, (t, p)) in enumerate(cells, start=2)
    ]
    worst = {"file": "1.png", "layers": "worst.json", "name": REVIEW[0], "label": "1"}
    contents = {
        "schema_version": 1, "part": "val", "masks": "threshold", "labels": ["none", "1"],
        "components": [[0, 1], [1, 4]], "examples": examples,
        "worst": [worst | {"image": "7", "dice": 0.1}],
    }  # fmt: skip
    (place / "review.json").write_text(json.dumps(contents))


def registered(folder: Path) -> TrackedModel:
    """Its network, with facts about it."""
    path = folder / "registered" / "model.onnx"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes((folder / "weights" / "best.h5").read_bytes())
    return TrackedModel(path, "b4_dice 3f9c1a7e: val_dice_positive 0.325", FACTS)


def end(
    tracker: Tracker,
    metrics: Mapping[str, float],
    model: TrackedModel | None = None,
    *,
    diverged: bool = False,
) -> str:
    """End a run without a record; the line that its tracker ends with."""
    tracker.finish(metrics, model, diverged=diverged)
    return tracker.close()


def _tell(tracker: Tracker, folder: Path, epoch: Epoch) -> None:
    paths = [RunFolder(folder).overlay(epoch.epoch, image) for image in STRIPS]
    pictures = [
        Picture(s, path, path.with_suffix(".json")) for s, path in zip(STRIPS, paths, strict=True)
    ]
    tracker.epoch(epoch.epoch, epoch.metrics, epoch.step, pictures)


if __name__ == "__main__":
    where, count, *rest = sys.argv[1:]
    say(train(Path(where), int(count), "auto", Pace(*map(float, rest))))
