"""Bytes and processor time of masks in cache, batches and steps, by the number of classes.

    python benchmarks/mask_words.py 4 8 12 32

Images of 256 x 1600 of noise, half of them with a square of each of two classes. Up to 8 classes
take a byte a pixel. Times are processor seconds of all threads, the least of seven turns, because
they depend least on what else the machine does. To compare two commits, run it in turns in a
checkout of each, with numbers of classes that both take.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from steelexp.checksum import hash_bytes
from steelexp.data.cache import cache_images
from steelexp.data.dataset import Dataset
from steelexp.data.pipeline import Batches
from steelexp.lazy import keras, tf
from steelexp.model.losses import bce_dice
from steelexp.training.fit import compile_model

SIZE = (256, 1600)
TILE = (256, 256)
BATCH = 16


def main() -> None:
    """Print one line for each number of classes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("classes", type=int, nargs="+")
    parser.add_argument("--images", type=int, default=48)
    args = parser.parse_args()
    for classes in args.classes:
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder), classes, args.images)


def measure(folder: Path, classes: int, images: int) -> None:
    """Measure one number of classes."""
    dataset = noise(folder, classes, images)
    start = time.process_time()
    decoded = cache_images(dataset, "disk", folder / "cache")
    built = time.process_time() - start
    files = [path.stat() for path in (folder / "cache").glob("*/*.u*")]
    size = sum(file.st_size for file in files) / 1e6
    blocks = sum(file.st_blocks for file in files) * 512 / 1e6
    table = np.array([(row, 0, left) for row in range(images) for left in range(0, 1344, 192)])
    batches = Batches(decoded, table, TILE, BATCH)
    read = least(lambda: [batches.read(step) for step in range(len(batches))])
    step, epoch = trained(batches, classes)
    print(
        f"{classes:2} classes: cache {size:.1f} MB, {blocks:.1f} MB on disk, "
        f"built in {built:.2f} s; "
        f"batches of an epoch {1000 * read:.0f} ms; {step} training steps {1000 * epoch:.0f} ms"
    )


def noise(folder: Path, classes: int, images: int) -> Dataset:
    """Images of noise in files, and masks in memory."""
    names = tuple(f"{number:04d}.png" for number in range(images))
    draw = np.random.default_rng(0)
    for name in names:
        cv2.imwrite(str(folder / name), draw.integers(0, 256, SIZE, np.uint8))

    def read_mask(row: int) -> Any:
        mask = np.zeros(SIZE, np.uint32 if classes > 16 else np.uint16 if classes > 8 else np.uint8)
        if row % 2:
            for c in (row % classes, (row + 1) % classes):
                mask[64:128, 100 * c % 1400 : 100 * c % 1400 + 128] |= 1 << c
        return mask

    pixels = [
        [np.count_nonzero(mask >> c & 1) for c in range(classes)]
        for mask in map(read_mask, range(images))
    ]
    return Dataset(
        names=names,
        paths=tuple(folder / name for name in names),
        sizes=np.full((images, 2), SIZE, np.int32),
        classes=tuple(map(str, range(classes))),
        pixels=np.array(pixels, np.int64),
        read_mask=read_mask,
        image_hashes=tuple(hash_bytes((folder / name).read_bytes()) for name in names),
        label_hashes=tuple(str(row) for row in range(images)),
    )


def trained(batches: Batches, classes: int) -> tuple[int, float]:
    """Steps and seconds of an epoch of a network of one layer, which costs next to nothing."""
    grey = keras.Input((None, None, 1), dtype="uint8")
    scaled = keras.layers.Lambda(lambda x: tf.cast(x, tf.float32) / 255)(grey)
    model = keras.Model(grey, keras.layers.Conv2D(classes, 1)(scaled))
    compile_model(model, loss=bce_dice, optimizer=keras.optimizers.SGD(0.01), classes=classes)
    data = batches.tf_dataset()
    steps = len(batches)
    model.fit(data, epochs=1, verbose=0)
    return steps, least(lambda: model.fit(data, epochs=1, verbose=0))


def least(work: Callable[[], object]) -> float:
    """Least processor seconds of seven turns."""
    seconds = []
    for _ in range(7):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds)


if __name__ == "__main__":
    main()
