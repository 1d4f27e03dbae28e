"""What tracking costs a training: time on its own thread, and processor time of what sends.

    python benchmarks/tracking_cost.py [--epochs 20] [--epoch-seconds 27]

Tells a tracker epochs of 60 metrics and 4 overlays of 256 x 1600, against a server on loopback that
speaks Comet's protocol to the real client, and compares with an epoch of the quickstart (27 s on 2
cores). The polygons beside the overlays are counted, the overlays are not: they are drawn with
tracking off, too. The sender's start, which a run pays once, is a line of its own.
"""

import argparse
import json
import os
import resource
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from steelexp.overlays import overlay, polygons
from steelexp.records.store import RunFolder
from steelexp.tracking import Picture, TrackedRun
from steelexp.tracking.comet.tracker import comet
from tests.comet_server import API_KEY, comet_server

CLASSES = ("1", "2", "3", "4")
STRIPS = ("a", "b", "c", "d")


def synthetic_image(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Grey, truth and a ragged prediction."""
    rng = np.random.default_rng(seed)
    truth = np.zeros((256, 1600), np.uint8)
    for bit in range(len(CLASSES)):
        plane = np.zeros_like(truth)
        centre = (int(rng.integers(100, 1500)), int(rng.integers(30, 220)))
        cv2.ellipse(plane, centre, (90, 25), float(rng.integers(0, 180)), 0, 360, 1, -1)
        truth |= plane << bit
    shaken = np.roll(truth, 5, axis=1)
    shaken[rng.random(truth.shape) < 0.02] = 0
    return rng.integers(80, 120, truth.shape, dtype=np.uint8), truth, shaken


def draw_epoch(folder: RunFolder, epoch: int) -> tuple[list[Picture], float]:
    """The overlays of an epoch, and the seconds that their polygons took."""
    pictures = []
    seconds = 0.0
    for number, name in enumerate(STRIPS):
        grey, truth, prediction = synthetic_image(number)
        path = folder.overlay(epoch, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        overlay.rng(grey, truth, prediction, classes=CLASSES, title=str(epoch)).save(path)
        began = time.perf_counter()
        layers = polygons.layers(truth, prediction, classes=CLASSES)
        path.with_suffix(".json").write_text(json.dumps(layers))
        seconds += time.perf_counter() - began
        pictures.append(Picture(name, path))
    return pictures, seconds


def track(epochs: int) -> tuple[list[float], float]:
    """Seconds on the training's thread in each epoch; processor seconds of the sender in all."""
    metrics = {f"val_metric_{i}": 0.5 for i in range(60)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = []
    with tempfile.TemporaryDirectory() as where:
        folder = RunFolder(Path(where))
        tracker = comet()
        tracker.start(
            TrackedRun("cost", "cost", folder.path, dict.fromkeys("abcdefgh", 1.0), (), {}, ())
        )
        for epoch in range(1, epochs + 1):
            pictures, polygons_took = draw_epoch(folder, epoch)
            began = time.perf_counter()
            tracker.epoch(epoch, metrics, 50 * epoch, pictures)
            spent.append(polygons_took + time.perf_counter() - began)
            time.sleep(1)  # so that epochs are sent one by one, as in a training
        tracker.finish({})
        print(tracker.close())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--epoch-seconds", type=float, default=27.0)
    args = parser.parse_args()
    with comet_server() as server:
        os.environ |= {"COMET_URL_OVERRIDE": server.url, "COMET_API_KEY": API_KEY}
        _, start = track(0)
        spent, sender = track(args.epochs)
    thread = float(np.median(spent))
    cpu = (sender - start) / args.epochs
    for name, seconds in (
        ("training's thread", thread),
        ("sender's processor", cpu),
        ("both", thread + cpu),
    ):
        share = seconds / args.epoch_seconds
        print(f"{name:20}{1000 * seconds:7.1f} ms an epoch  {share:.2%}")
    print(f"{'sender, once a run':20}{1000 * start:7.1f} ms")


if __name__ == "__main__":
    main()
