"""Dataset in windows: where they lie, and how what is predicted in them is put together."""

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
"""Of a window's side: sigma of the weights, as in nnU-Net, https://arxiv.org/abs/1809.10486."""

Values = npt.NDArray[np.float32]
Layout = Callable[[int, int], tuple[Tiles, Values]]
"""An image's height and width -> its windows, and the weight [h, w] of each pixel in one."""


def overlapping(size: tuple[int, int]) -> Layout:
    """Windows that overlap by half, the middle of each counting most.

    Args:
        size: height and width of a window in pixels.
    """
    stride = (max(size[0] // 2, 1), max(size[1] // 2, 1))
    weights = gaussian(size)
    return lambda height, width: (grid(height, width, size, stride), weights)


def published(height: int, width: int) -> tuple[Tiles, Values]:
    """The six square tiles of the published baseline; the last 64 of 1600 columns are in none.

    Raises:
        DataError: the image is too small for six.
    """
    try:
        tiles = columns(height, width, np.random.default_rng(0))
    except DataError:
        raise DataError(
            f"--inference published: six tiles of 256 x 256 side by side do not fit an image of {height} "
            f"x {width}; take --inference sliding or whole"
        ) from None
    return tiles, np.ones(tiles.size, np.float32)


def gaussian(size: tuple[int, int]) -> Values:
    """Weights of a window's pixels: [h, w], 1 in the middle, never 0."""
    lines = []
    for length in size:
        from_middle = (np.arange(length) - (length - 1) / 2) / (length * SHARE_OF_SIDE)
        lines.append(np.exp(-(from_middle**2) / 2))
    weights = np.outer(*lines)
    return np.asarray(weights / weights.max(), np.float32)


def cut(image: npt.NDArray[np.uint8], tiles: Tiles) -> npt.NDArray[np.uint8]:
    """The windows of an image, [H, W] -> [T, h, w]; reflected where they leave it."""
    return np.stack([crop(image, top, left, tiles.size) for top, left in tiles.corners.tolist()])


def stitch(
    pieces: npt.NDArray[Any], tiles: Tiles, weights: Values, *, height: int, width: int
) -> Values:
    """Put windows together: the weighted mean where they overlap, 0 where there is none.

    Args:
        pieces: [T, h, w, ...].
        tiles: where they lie.
        weights: [h, w], above 0.
        height: of the image in pixels.
        width: of the image in pixels.

    Returns:
        [H, W, ...].
    """
    rest = pieces.shape[3:]
    total = np.zeros((height, width, *rest), np.float32)
    weight = np.zeros((height, width, *(1 for _ in rest)), np.float32)
    weights = weights.reshape(*weights.shape, *(1 for _ in rest))
    for piece, (top, left) in zip(pieces, tiles.corners.tolist(), strict=True):
        rows, cols = min(tiles.size[0], height - top), min(tiles.size[1], width - left)
        within = (slice(top, top + rows), slice(left, left + cols))
        total[within] += piece[:rows, :cols] * weights[:rows, :cols]
        weight[within] += weights[:rows, :cols]
    return np.asarray(total / np.where(weight > 0, weight, 1), np.float32)
