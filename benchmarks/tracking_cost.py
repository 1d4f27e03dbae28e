"""What tracking costs a training: time of the process that trains, of what sends, and bytes sent.

    python benchmarks/tracking_cost.py [--epochs 3] [--epoch-seconds 60]
    python benchmarks/tracking_cost.py --run experiments/quickstart.yaml training.epochs=3

Tells a tracker epochs of 60 metrics and 4 images of 256 x 1600 with polygons, against a server on
loopback that speaks Comet's protocol to the real client. An epoch lasts its seconds and computes
nothing, so that all processor time of this process between the epochs is the tracker's, such as
that of its samples of the machine. The server is a process of its own and is not counted. The
polygons beside the images are counted, overlays are not drawn: a run draws them with tracking off,
too. What a run pays once, at its start and its end, is a line of its own. With --run, a spec is
trained and only the bytes are counted, with the network, the page and all else that a run sends.
"""

import argparse
import json
import multiprocessing
import os
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import cv2
import numpy as np
from PIL import Image

from steelexp.__main__ import main as steelexp
from steelexp.overlays import polygons
from steelexp.records.store import RunFolder
from steelexp.tracking import Picture
from steelexp.tracking.comet.tracker import comet
from tests.comet_server import API_KEY, comet_server
from tests.tracked_run import described

CLASSES = ("1", "2", "3", "4")
STRIPS = ("a", "b", "c", "d")
KINDS = {
    "/experiment/metric": "metrics",
    "/experiment/parameter": "parameters",
    "/visualizations/upload": "pictures",
    "/asset/upload": "files",
    "/status-report/update": "signs of life",
    "/log-other": "other values",
}


class Cost(NamedTuple):
    """What a tracked run took, in seconds.

    Attributes:
        calls: Wall time on the training's thread in each epoch.
        calls_processor: Processor time of that thread in each epoch.
        between: Processor time of this process while it trained.
        once: Wall time on the training's thread at the start and the end, with the wait for what
            sends.
        sender: Processor time of the processes that send, in all.
    """

    calls: list[float]
    calls_processor: list[float]
    between: float
    once: float
    sender: float


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


def draw_epoch(folder: RunFolder, epoch: int) -> tuple[list[Picture], float, float]:
    """The bare images of an epoch, and wall and processor seconds that their polygons took."""
    pictures = []
    wall = 0.0
    processor = 0.0
    for number, name in enumerate(STRIPS):
        grey, truth, prediction = synthetic_image(number)
        scores = np.random.default_rng(number).random((*grey.shape, len(CLASSES)), np.float32)
        path = folder.bare_image(name)
        beside = folder.overlay(epoch, name).with_suffix(".json")
        for parent in (path.parent, beside.parent):
            parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file():
            Image.fromarray(grey).save(path)
        began = time.perf_counter()
        used = time.thread_time()
        layers = polygons.layers(truth, prediction, scores, classes=CLASSES)
        beside.write_text(json.dumps(layers))
        wall += time.perf_counter() - began
        processor += time.thread_time() - used
        pictures.append(Picture(name, path, beside))
    return pictures, wall, processor


def track(epochs: int, epoch_seconds: float) -> Cost:
    """Tell a tracker epochs."""
    metrics = {f"val_metric_{i}": 0.5 for i in range(60)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    calls = []
    calls_processor = []
    between = 0.0
    with tempfile.TemporaryDirectory() as where:
        folder = RunFolder(Path(where))
        tracker = comet()
        began = time.perf_counter()
        tracker.start(described(folder.path))
        once = time.perf_counter() - began
        for epoch in range(1, epochs + 1):
            pictures, wall, processor = draw_epoch(folder, epoch)
            began = time.perf_counter()
            used = time.thread_time()
            tracker.epoch(epoch, metrics, 50 * epoch, pictures)
            calls.append(wall + time.perf_counter() - began)
            calls_processor.append(processor + time.thread_time() - used)
            used = time.process_time()
            time.sleep(epoch_seconds)
            between += time.process_time() - used
        began = time.perf_counter()
        tracker.trained()
        tracker.finish({"val_dice_positive": 0.5})
        print(tracker.close())
        once += time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    sender = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(calls, calls_processor, between, once, sender)


def kind_of(address: str) -> str:
    """What a request holds, in words."""
    parts = urlsplit(address)
    kind = next((kind for end, kind in KINDS.items() if parts.path.endswith(end)), None)
    if kind == "files":
        return f"files: {parse_qs(parts.query).get('type', ['asset'])[0]}"
    return kind or ("questions" if "/rest/v2/" in parts.path else "protocol")


def serve(answers: Connection) -> None:
    """Serve until something is received, then send the sizes of the requests."""
    with comet_server() as server:
        answers.send(server.url)
        while answers.recv():
            answers.send(server.sizes.copy())
            server.sizes.clear()


@contextmanager
def server_process() -> Iterator[Connection]:
    """A server in a process of its own; it answers True with the sizes of its requests."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,))
    process.start()
    os.environ |= {"COMET_URL_OVERRIDE": ours.recv(), "COMET_API_KEY": API_KEY}
    try:
        yield ours
    finally:
        ours.send(False)
        process.join()


def print_bytes(sizes: list[tuple[str, int]]) -> None:
    """Bytes and requests of each kind."""
    total: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for address, size in sizes:
        total[kind_of(address)] += size
        count[kind_of(address)] += 1
    print("\nbytes sent in the run")
    for kind, size in total.most_common():
        print(f"{kind:28}{size:>10,} bytes in {count[kind]:>4} requests")
    print(f"{'all':28}{total.total():>10,} bytes in {count.total():>4} requests")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--epoch-seconds", type=float, default=60.0)
    parser.add_argument("--run", nargs="+", metavar="WORD", help="spec and overrides to train")
    args = parser.parse_args()
    with server_process() as server:
        if args.run:
            with tempfile.TemporaryDirectory() as where:
                steelexp(["run", *args.run, "tracking={name: comet}", "--runs", where])
            server.send(True)
            print_bytes(server.recv())
            return
        empty = track(0, 0.0)
        server.send(True)
        server.recv()
        cost = track(args.epochs, args.epoch_seconds)
        server.send(True)
        sizes = server.recv()
    helpers = {
        "threads beside it, processor": cost.between / args.epochs,
        "what sends, processor": max(cost.sender - empty.sender, 0.0) / args.epochs,
    }
    wall = float(np.median(cost.calls))
    processor = float(np.median(cost.calls_processor))
    lines = {
        "calls in training, wall": wall,
        "calls in training, processor": processor,
        **helpers,
        "wall and helpers": wall + sum(helpers.values()),
        "processor of all": processor + sum(helpers.values()),
    }
    for name, seconds in lines.items():
        share = seconds / args.epoch_seconds
        print(f"{name:32}{1000 * seconds:8.1f} ms an epoch  {share:.3%}")
    print(f"{'once a run, processor of sender':32}{1000 * empty.sender:8.1f} ms")
    print(f"{'once a run, wall of training':32}{1000 * cost.once:8.1f} ms")
    print_bytes(sizes)


if __name__ == "__main__":
    main()
