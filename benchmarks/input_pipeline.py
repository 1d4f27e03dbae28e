"""Tiles per second against the published design, on the same images in one process.

    python benchmarks/input_pipeline.py STRIPS
    python benchmarks/input_pipeline.py STRIPS --memory 500 4000

STRIPS is a folder in Kaggle's layout: the competition's, or one that
`python -m steelexp data generate STRIPS --strips 4000` makes.

The peer is a Keras `Sequence` as public notebooks for this competition write it: `cv2.imread` in
colour, a filter over the whole table for each image, a Python loop over the runs, float32 scaling,
six tiles, shuffled batches. It runs twice. Once it shuffles tiles, and each tile reads its image.
Once it shuffles images, and an image is read once for its six tiles, which is faster. Ours shows
the same tiles, shuffled tile by tile, with a warm cache and without one. memcpy copies as many
bytes from random places of the same cache into one buffer. Rounds take turns. The median of the
rounds is printed, and a ratio is the median of the ratios of the rounds.

--memory shows every tile of the first N images once, in a process of its own for each N, and prints
its peak of anonymous memory, which the kernel cannot take back. Pages of the cache belong to the
kernel and are not counted. The peak of all resident memory is printed as well.
"""

import argparse
import ctypes
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from steelexp.data import pipeline
from steelexp.data.cache import CachedImages, cache_images
from steelexp.data.sampling import uniform
from steelexp.data.severstal import severstal
from steelexp.data.tiling import columns
from steelexp.lazy import keras
from steelexp.training.runtime import keep_memory

SIZE = 256
COUNT = 6
CLASSES = 4
BATCH = 16


def published(root, names, *, by):
    """The peer, a tf_keras Sequence of ([B, 256, 256, 3], [B, 256, 256, 4]) float32."""
    table = pd.read_csv(root / "train.csv")

    def read(name):
        image = cv2.imread(str(root / "train_images" / name)).astype(np.float32) / 255
        mask = np.zeros((CLASSES, 256 * 1600), np.float32)
        for _, row in table[table["ImageId"] == name].iterrows():
            numbers = [int(number) for number in row["EncodedPixels"].split()]
            for start, length in zip(numbers[::2], numbers[1::2], strict=True):
                mask[int(row["ClassId"]) - 1, start - 1 : start - 1 + length] = 1
        return image, mask.reshape(CLASSES, 1600, 256).transpose(2, 1, 0)

    def tile(image, mask, number):
        columns = slice(number * SIZE, (number + 1) * SIZE)
        return image[:, columns], mask[:, columns]

    class Published(keras.utils.Sequence):
        def __init__(self):
            self.per_batch = BATCH if by == "tiles" else BATCH // COUNT
            items = len(names) * (COUNT if by == "tiles" else 1)
            self.order = np.random.default_rng(0).permutation(items)

        def __len__(self):
            return math.ceil(len(self.order) / self.per_batch)

        def __getitem__(self, batch):
            tiles = []
            for item in self.order[batch * self.per_batch : (batch + 1) * self.per_batch]:
                if by == "tiles":
                    tiles.append(tile(*read(names[item // COUNT]), item % COUNT))
                else:
                    pair = read(names[item])
                    tiles += [tile(*pair, number) for number in range(COUNT)]
            images, masks = zip(*tiles, strict=True)
            return np.stack(images), np.stack(masks)

    return Published()


def ours(dataset, epoch):
    """One epoch of every tile, shuffled."""
    return pipeline.training_batches(
        dataset, np.arange(len(dataset)), columns, uniform, batch_size=BATCH, seed=0, epoch=epoch
    )


def read_by_threads(batches):
    """Each batch in its order, read by as many threads as there are cores."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        ahead = deque()
        for step in range(len(batches)):
            ahead.append(threads.submit(batches.read, step))
            if len(ahead) > 4:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def tiles_a_second(batches, limit):
    """Read about `limit` tiles and return the tiles per second."""
    tiles = 0
    started = time.perf_counter()
    for grey, _ in batches:
        tiles += int(grey.shape[0])
        if tiles >= limit:
            break
    return tiles / (time.perf_counter() - started)


def copies_a_second(dataset, limit):
    """The speed of copying a tile's grey and bits from random places, by memcpy."""
    rng = np.random.default_rng(0)
    tile_bytes = SIZE * SIZE
    places = rng.integers(0, len(dataset.grey) - tile_bytes, limit).tolist()
    buffer = np.empty(2 * tile_bytes, np.uint8)
    grey = dataset.grey.ctypes.data
    bits = dataset.bits.ctypes.data
    target = buffer.ctypes.data
    started = time.perf_counter()
    for place in places:
        ctypes.memmove(target, grey + place, tile_bytes)
        ctypes.memmove(target + tile_bytes, bits + place, tile_bytes)
    return limit / (time.perf_counter() - started)


def speed(root, cache, rounds, subset):
    """Print the table of tiles a second."""
    keep_memory()
    opened = severstal(root=str(root), subset=subset)
    uncached = cache_images(opened, "none", cache)
    warm = cache_images(opened, "disk", cache)
    all_tiles = COUNT * len(warm)
    assert isinstance(warm, CachedImages)
    for image in range(len(warm)):  # into the kernel's page cache
        warm.image(image).max()
        warm.mask(image).max()
    variants = {
        "memcpy": lambda epoch: copies_a_second(warm, 20_000),
        "warm cache": lambda epoch: tiles_a_second(read_by_threads(ours(warm, epoch)), all_tiles),
        "warm cache, through tf.data": lambda epoch: tiles_a_second(
            ours(warm, epoch).tf_dataset(), all_tiles
        ),
        "no cache": lambda epoch: tiles_a_second(read_by_threads(ours(uncached, epoch)), all_tiles),
        "published, shuffling images": lambda epoch: tiles_a_second(by_images, 600),
        "published, shuffling tiles": lambda epoch: tiles_a_second(by_tiles, 300),
    }
    by_images, by_tiles = (published(root, warm.names, by=by) for by in ("images", "tiles"))
    rates_of = {variant: [] for variant in variants}
    for epoch in range(rounds + 1):
        for variant, measure in variants.items():
            rate = measure(epoch)
            if epoch:  # the first round warms up
                rates_of[variant].append(rate)
    print(f"{len(warm)} images, {rounds} rounds, tiles of {SIZE} x {SIZE} in batches of {BATCH}")
    print("| | tiles/s | to published by images | to published by tiles | to memcpy |")
    print("|---|---|---|---|---|")
    for variant, rates in rates_of.items():
        ratios = [
            np.median(np.divide(rates, rates_of[other]))
            for other in ("published, shuffling images", "published, shuffling tiles", "memcpy")
        ]
        print(
            f"| {variant} | {np.median(rates):,.0f} | "
            + " | ".join(f"{x:.3g}" for x in ratios)
            + " |"
        )


def peak(root, cache, count, kind):
    """Read every tile of `count` images once and print the peaks of memory in MB."""
    keep_memory()
    data = cache_images(severstal(root=str(root), subset=count), kind, cache)
    tiles_a_second(ours(data, 0).tf_dataset(), 4 * BATCH)
    peaks = [_resident()]
    stop = threading.Event()

    def watch():
        while not stop.wait(0.02):
            peaks.append(_resident())

    thread = threading.Thread(target=watch)
    thread.start()
    tiles_a_second(ours(data, 1).tf_dataset(), math.inf)
    stop.set()
    thread.join()
    anonymous, everything = np.max(peaks, axis=0)
    print(f"| {count} | {kind} | {anonymous:.0f} | {everything:.0f} |")


def _resident():
    """Anonymous and all resident memory of this process, MB (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return [int(fields[name].split()[0]) / 1024 for name in ("RssAnon", "VmRSS")]


def main():
    """Measure speed or memory."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("root", type=Path, metavar="STRIPS")
    parser.add_argument("--cache", type=Path, help="where to decode (default: a temporary folder)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--subset", type=int, help="number of images (default: all)")
    parser.add_argument("--memory", type=int, nargs="+", metavar="N", help="peak memory instead")
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)  # one line of --memory
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        cache = args.cache or Path(scratch)
        if args.peak:
            peak(args.root, cache, int(args.peak[0]), args.peak[1])
        elif args.memory:
            print("| images | cache | peak of anonymous memory, MB | all that is resident, MB |")
            print("|---|---|---|---|", flush=True)
            for kind in ("disk", "none"):
                for count in args.memory:
                    base = [sys.executable, __file__, str(args.root), "--cache", str(cache)]
                    process = subprocess.run(
                        [*base, "--peak", str(count), kind],
                        check=True,
                        capture_output=True,
                        text=True,
                    )
                    print(process.stdout.splitlines()[-1], flush=True)
        else:
            speed(args.root, cache, args.rounds, args.subset)


if __name__ == "__main__":
    main()
