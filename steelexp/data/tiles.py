"""The tiles of a data set: their positions, their labelled pixels, and their content."""

import functools
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from steelexp.data.augment.occlusion import black_areas
from steelexp.data.bits import Bits, for_opencv
from steelexp.data.dataset import DataError, Dataset
from steelexp.data.tiling import BlackShares, Tiles, random_crops

Tiling = Callable[..., Tiles]
"""Function (height, width, rng) -> tiles of an image; `random_crops` also takes its black areas."""

Table = npt.NDArray[np.int64]
Pixels = npt.NDArray[np.uint8]

CORNERS = 1
"""Stream of the random corners: default_rng([seed, CORNERS, epoch, row])."""


def tile_table(
    dataset: Dataset, rows: npt.NDArray[np.int64], tiling: Tiling, *, seed: int, epoch: int = 0
) -> tuple[Table, tuple[int, int]]:
    """All tiles of some images.

    Args:
        dataset: Data set.
        rows: [R] rows of the images in the data set.
        tiling: Tiling of one image.
        seed: Seed of the run; with the epoch and the row it seeds random tilings.
        epoch: Epoch from 1; 0 for validation.

    Returns:
        [N, 3] row, top and left of each tile; height and width of a tile.

    Raises:
        DataError: The images have tiles of different sizes.
    """
    corners = []
    sizes = {}
    for row in rows.tolist():
        height, width = dataset.sizes[row].tolist()
        rng = tile_rng(seed, epoch, row)
        size, places = tiling(height, width, rng, *_images_of(tiling, dataset, row))
        sizes[size] = dataset.names[row]
        corners.append(np.insert(places, 0, row, axis=1))
    if len(sizes) > 1:
        raise DataError(
            "tiling: images of several sizes give tiles of several sizes, which cannot share a "
            f"batch: {sizes}; take tiling.kind=random_crops or cover with a fixed size"
        )
    return np.concatenate(corners), next(iter(sizes))


def _images_of(tiling: Tiling, dataset: Dataset, row: int) -> list[BlackShares]:
    """What a tiling takes of the content of an image."""
    function = tiling.func if isinstance(tiling, functools.partial) else tiling
    return [_black_shares(dataset, row)] if function is random_crops else []


def _black_shares(dataset: Dataset, row: int) -> BlackShares:
    """Function that measures how much of a tile of an image is black; it reads the image once."""

    @functools.cache
    def black() -> Pixels:
        return black_areas(dataset.image(row))

    def shares(corners: Table, size: tuple[int, int]) -> npt.NDArray[np.float64]:
        tiles = [black()[top : top + size[0], left : left + size[1]] for top, left in corners]
        return np.array([tile.mean() for tile in tiles])

    return shares


def tile_rng(seed: int, epoch: int, row: int) -> np.random.Generator:
    """Random generator of a tiling: one for each run, epoch and image."""
    return np.random.default_rng([seed, CORNERS, epoch, row])


def tile_pixels(dataset: Dataset, table: Table, size: tuple[int, int]) -> Table:
    """Labelled pixels of each tile and class: [N, C]. Each mask is read once.

    Args:
        dataset: Data set.
        table: [N, 3] row, top and left of each tile; the tiles of an image are neighbours.
        size: Height and width of a tile.
    """
    pixels = np.zeros((len(table), len(dataset.classes)), np.int64)
    present = [np.flatnonzero(counts).tolist() for counts in dataset.pixels]
    last_row = -1
    for i, (row, top, left) in enumerate(table.tolist()):
        if not present[row]:
            continue
        if row != last_row:
            mask = dataset.mask(row)
            last_row = row
        tile = mask[top : top + size[0], left : left + size[1]]
        for c in present[row]:
            pixels[i, c] = np.count_nonzero(tile & (1 << c))
    return pixels


def cut_tiles(dataset: Dataset, table: Table, *, grey: Pixels, bits: Bits) -> None:
    """Cut tiles out of images; pixels beyond an image are its reflection.

    Args:
        dataset: Data set.
        table: [B, 3] row, top and left of each tile; neighbours of one image read it once.
        grey: [B, h, w] output for the images.
        bits: [B, h, w] output for the masks.
    """
    size = grey.shape[1:]
    last_row = -1
    for i, (row, top, left) in enumerate(table.tolist()):
        if row != last_row:
            image = dataset.image(row)
            mask = dataset.mask(row) if dataset.has_bits[row] else None
            last_row = row
        grey[i] = crop(image, top, left, size)
        bits[i] = 0 if mask is None else crop(for_opencv(mask), top, left, size)


def crop(image: npt.NDArray[Any], top: int, left: int, size: tuple[int, ...]) -> npt.NDArray[Any]:
    """One tile of an image, [H, W] -> [h, w]; pixels beyond the image are its reflection."""
    tile = image[top : top + size[0], left : left + size[1]]
    if tile.shape == size:
        return tile
    below = max(top + size[0] - image.shape[0], 0)
    right = max(left + size[1] - image.shape[1], 0)
    reflected = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REFLECT_101)
    return reflected[top : top + size[0], left : left + size[1]].astype(image.dtype, copy=False)
