"""Sliding-window inference: positions of windows, and stitching of their scores."""

from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from steelexp.data.dataset import DataError
from steelexp.data.tiles import crop
from steelexp.data.tiling import Tiles, columns, grid

Kind = Literal["whole", "sliding", "published"]
KINDS: tuple[str, ...] = get_args(Kind)

SHARE_OF_SIDE = 1 / 8
"""Sigma of the weights as a share of the window's side, as in nnU-Net, arXiv:1809.10486."""

Values = npt.NDArray[np.float32]
Layout = Callable[[int, int], tuple[Tiles, Values]]
"""Function height and width of an image -> windows, and weight [h, w] of the pixels of one."""


def sliding_windows(size: tuple[int, int]) -> Layout:
    """Sliding windows that overlap by half, with Gaussian weights.

    Args:
        size: Height and width of a window in pixels.
    """
    stride = (max(size[0] // 2, 1), max(size[1] // 2, 1))
    weights = gaussian(size)
    return lambda height, width: (grid(height, width, size, stride), weights)


def published_windows(height: int, width: int) -> tuple[Tiles, Values]:
    """The six square tiles of the published baseline, without the last 64 of 1600 columns.

    Raises:
        DataError: The image is too small for six tiles.
    """
    try:
        tiles = columns(height, width, np.random.default_rng(0))
    except DataError:
        raise DataError(
            f"--inference published: six tiles of 256 x 256 side by side do not fit an image of "
            f"{height} x {width}; take --inference sliding or whole"
        ) from None
    return tiles, np.ones(tiles.size, np.float32)


def gaussian(size: tuple[int, int]) -> Values:
    """Gaussian weights of a window's pixels: [h, w], 1 in the middle, above 0 everywhere."""
    profiles = []
    for length in size:
        from_middle = (np.arange(length) - (length - 1) / 2) / (length * SHARE_OF_SIDE)
        profiles.append(np.exp(-(from_middle**2) / 2))
    weights = np.outer(*profiles)
    return np.asarray(weights / weights.max(), np.float32)


def cut_windows(image: npt.NDArray[np.uint8], tiles: Tiles) -> npt.NDArray[np.uint8]:
    """Cut the windows out of an image, [H, W] -> [T, h, w]; pixels beyond it are its reflection."""
    return np.stack([crop(image, top, left, tiles.size) for top, left in tiles.corners.tolist()])


def stitch(
    pieces: npt.NDArray[Any], tiles: Tiles, weights: Values, *, height: int, width: int
) -> Values:
    """Stitch windows: the weighted mean where they overlap, 0 outside all windows.

    Args:
        pieces: [T, h, w, ...] values of the windows.
        tiles: Positions of the windows.
        weights: [h, w] weights above 0.
        height: Height of the image in pixels.
        width: Width of the image in pixels.

    Returns:
        [H, W, ...].
    """
    rest = pieces.shape[3:]
    total = np.zeros((height, width, *rest), np.float32)
    weight = np.zeros((height, width, *(1 for _ in rest)), np.float32)
    weights = weights.reshape(*weights.shape, *(1 for _ in rest))
    for piece, (top, left) in zip(pieces, tiles.corners.tolist(), strict=True):
        rows = min(tiles.size[0], height - top)
        cols = min(tiles.size[1], width - left)
        within = (slice(top, top + rows), slice(left, left + cols))
        total[within] += piece[:rows, :cols] * weights[:rows, :cols]
        weight[within] += weights[:rows, :cols]
    return np.asarray(total / np.where(weight > 0, weight, 1), np.float32)
