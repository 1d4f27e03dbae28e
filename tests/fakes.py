"""Small stand-ins that the tests share."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from steelexp.checksum import hash_bytes
from steelexp.data.dataset import DataError, Dataset
from steelexp.data.tiling import Tiles
from steelexp.evaluation.network_functions import NetworkFunctions
from steelexp.lazy import keras, tf
from steelexp.model.losses import bce
from steelexp.model.optimizers import adam
from steelexp.training.fit import compile_model


def dataset_of(
    folder: Path, images: Sequence[np.ndarray], masks: Sequence[np.ndarray], classes: Sequence[str]
) -> Dataset:
    """Write images to a folder; the data set of these images and masks of bits."""
    paths = tuple(folder / f"{number}.png" for number in range(len(images)))
    for path, image in zip(paths, images, strict=True):
        assert cv2.imwrite(str(path), image.astype(np.uint8))
    pixels = [[int((mask >> c & 1).sum()) for c in range(len(classes))] for mask in masks]
    return Dataset(
        names=tuple(path.name for path in paths),
        paths=paths,
        sizes=np.array([image.shape for image in images], np.int32),
        classes=tuple(classes),
        pixels=np.array(pixels, np.int64),
        read_mask=lambda row: masks[row].astype(np.uint8),
        image_hashes=tuple(hash_bytes(path.read_bytes()) for path in paths),
        label_hashes=tuple(hash_bytes(mask.tobytes()) for mask in masks),
    )


def labelled(pixels: Any) -> Dataset:
    """A data set without files: labelled pixels [S, C] of images 00000.jpg, 00001.jpg, ..."""
    counts = np.array(pixels, np.int64)
    names = tuple(f"{number:05d}.jpg" for number in range(len(counts)))
    return Dataset(
        names=names,
        paths=tuple(map(Path, names)),
        sizes=np.full((len(counts), 2), 32, np.int32),
        classes=tuple(str(c + 1) for c in range(counts.shape[1])),
        pixels=counts,
        read_mask=lambda row: np.zeros((32, 32), np.uint8),
        image_hashes=names,
        label_hashes=tuple(map(str, counts.tolist())),
    )


def pixel_model(*lines: tuple[float, float]) -> Any:
    """A model that sees one pixel at a time: a line (slope, intercept) from grey to logit a class.

    Returns:
        tf_keras.Model: grey [B, h, w, 1] uint8 -> logits [B, h, w, C] float32.
    """
    slopes, intercepts = np.array(lines, np.float32).T
    grey = keras.Input((None, None, 1), dtype="uint8")
    image = keras.layers.Lambda(lambda x: tf.cast(x, tf.float32))(grey)
    scores = keras.layers.Conv2D(len(lines), 1, name="pixel")
    logits = keras.layers.Activation("linear", dtype="float32")(scores(image))
    scores.set_weights([slopes[None, None, None], intercepts])
    return keras.Model(grey, logits)


class SyntheticDataset(Dataset):
    """Images without files: image s is grey 10 s + column, its mask the same bits; some broken."""

    def image(self, row):
        time.sleep(0.002 * (row % 3))  # so that readers finish out of order
        if self.names[row] == "broken":
            raise DataError("broken.jpg: the image is broken: «é» 100% {x}\n... and 3 more")
        if self.names[row] == "bug":
            raise KeyError("a bug")
        return columns_of(row, *self.sizes[row])


def columns_of(row, height, width):
    return np.tile(10 * row + np.arange(width) % 10, (height, 1)).astype(np.uint8)


def synthetic_dataset(*sizes, names=None):
    names = tuple(names or (f"{i}.jpg" for i in range(len(sizes))))
    return SyntheticDataset(
        names=names,
        paths=tuple(Path(f"{i}.jpg") for i in range(len(sizes))),
        sizes=np.array(sizes, np.int32),
        classes=("1",),
        pixels=np.ones((len(sizes), 1), np.int64),
        read_mask=lambda row: columns_of(row, *sizes[row]) // 10,
        image_hashes=names,
        label_hashes=names,
    )


def tiny_tiling(height, width, rng):
    """Two tiles of 2 x 3; the second reaches one column over the edge of a 3 x 4 image."""
    return Tiles((2, 3), np.array([[0, 0], [1, 2]]))


def functions_of(model, loss=bce, *, classes=2, threshold=0.5, has_ignore=False):
    """The functions of a network that an evaluator takes."""
    return NetworkFunctions(
        model, loss, classes=classes, threshold=threshold, has_ignore=has_ignore
    )


def compiled(slope=0.01, classes=2, factor=1.0):
    """A pixel model with loss and optimizer, which can be trained and saved."""
    model = pixel_model(*[(slope, -1.0)] * classes)
    compile_model(
        model,
        loss=lambda y, logits, valid: factor * bce(y, logits),
        optimizer=adam(learning_rate=0.01),
        classes=classes,
    )
    return model
