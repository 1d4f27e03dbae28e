"""The tiles of a data set: where they lie, what they hold, and their pixels."""

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from steelexp.data.dataset import DataError, Dataset
from steelexp.data.tiling import Tiles

Tiling = Callable[[int, int, np.random.Generator], Tiles]
Table = npt.NDArray[np.int64]
Pixels = npt.NDArray[np.uint8]

CORNERS = 1
"""What random corners are drawn from: default_rng([seed, CORNERS, epoch, image])."""


def tile_table(
    dataset: Dataset, rows: npt.NDArray[np.int64], tiling: Tiling, *, seed: int, epoch: int = 0
) -> tuple[Table, tuple[int, int]]:
    """All tiles of some images.

    Args:
        dataset: the data set.
        rows: [R] image numbers.
        tiling: where to cut.
        seed: seed of the run; with the epoch and the image it seeds random tilings.
        epoch: counted from 1; 0 for validation.

    Returns:
        [N, 3] image, top, left; and the tiles' height and width.

    Raises:
        DataError: the images' sizes lead to tiles of several sizes.
    """
    corners, sizes = [], {}
    for row in rows.tolist():
        height, width = dataset.sizes[row].tolist()
        size, cut = tiling(height, width, tile_rng(seed, epoch, row))
        sizes[size] = dataset.names[row]
        corners.append(np.insert(cut, 0, row, axis=1))
    if len(sizes) > 1:
        raise DataError(
            "tiling: images of several sizes give tiles of several sizes, which cannot share a "
            f"batch: {sizes}; take tiling.kind=random_crops or cover with a fixed size"
        )
    return np.concatenate(corners), next(iter(sizes))


def tile_rng(seed: int, epoch: int, image: int) -> np.random.Generator:
    """What a random tiling draws from: one generator for each run, epoch and image."""
    return np.random.default_rng([seed, CORNERS, epoch, image])


def tile_pixels(dataset: Dataset, table: Table, size: tuple[int, int]) -> Table:
    """Labelled pixels of each tile and class: [N, C]. Each image is read once.

    Args:
        dataset: the data set.
        table: [N, 3] image, top, left; the tiles of an image lie together.
        size: the tiles' height and width.
    """
    pixels, read = np.zeros((len(table), len(dataset.classes)), np.int64), -1
    held = [np.flatnonzero(counts).tolist() for counts in dataset.pixels]
    for i, (image, top, left) in enumerate(table.tolist()):
        if not held[image]:
            continue
        if image != read:
            read, mask = image, dataset.mask(image)
        tile = mask[top : top + size[0], left : left + size[1]]
        for c in held[image]:
            pixels[i, c] = np.count_nonzero(tile & (1 << c))
    return pixels


def cut(dataset: Dataset, table: Table, *, grey: Pixels, bits: Pixels) -> None:
    """Cut tiles out of images; reflected where they leave the image.

    Args:
        dataset: the data set.
        table: [B, 3] image, top, left; an image is read once for neighbours in the table.
        grey: [B, h, w], written to.
        bits: [B, h, w], written to.
    """
    size, read = grey.shape[1:], -1
    for i, (row, top, left) in enumerate(table.tolist()):
        if row != read:
            read, image = row, dataset.image(row)
            mask = dataset.mask(row) if dataset.labelled[row] else None
        grey[i] = crop(image, top, left, size)
        bits[i] = 0 if mask is None else crop(mask, top, left, size)


def crop(image: Pixels, top: int, left: int, size: tuple[int, ...]) -> Pixels:
    """One tile of an image, [H, W] -> [h, w]; reflected where it leaves the image."""
    tile = image[top : top + size[0], left : left + size[1]]
    if tile.shape == size:
        return tile
    below = max(top + size[0] - image.shape[0], 0)
    right = max(left + size[1] - image.shape[1], 0)
    reflected = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REFLECT_101)
    return reflected[top : top + size[0], left : left + size[1]].astype(np.uint8, copy=False)
