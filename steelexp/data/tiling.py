"""Where tiles are cut from an image.

A tiling is a function of one image's height and width; it gives the tile size and the corners.
A tile that reaches over an edge shows the image's reflection there: black would look like the edge
of a sheet.
"""

from collections.abc import Callable
from typing import Annotated, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field, PositiveInt

from steelexp.data.dataset import DataError

Size = Annotated[int, Field(ge=32, multiple_of=32)]
"""Pixels; a U-Net halves five times, so multiples of 32."""


class Tiles(NamedTuple):
    """The tiles of one image.

    Attributes:
        size: height and width of each tile in pixels.
        corners: [T, 2] top and left of each tile in pixels.
    """

    size: tuple[int, int]
    corners: npt.NDArray[np.int64]


def columns(
    height: int, width: int, draw: np.random.Generator, *, size: Size = 256, count: PositiveInt = 6
) -> Tiles:
    """The published tiling: `count` square tiles side by side from the left edge, top row.

    Six of 256 pixels cover columns 0 to 1535 of 1600; the last 64 are never seen.

    Args:
        height: of the image in pixels.
        width: of the image in pixels.
        draw: not used.
        size: side of a tile in pixels.
        count: how many tiles.

    Raises:
        DataError: the last tile would begin beyond the right edge.
    """
    left = np.arange(count) * size
    if left[-1] >= width:
        raise DataError(
            f"tiling.count: {count} tiles of {size} pixels side by side do not fit an image of "
            f"{height} x {width}, whose columns end before tile {-(-width // size) + 1}; set "
            f"tiling.count to at most {-(-width // size)}, or take tiling.kind=cover"
        )
    return Tiles((size, size), np.stack([np.zeros_like(left), left], axis=1))


def cover(
    height: int,
    width: int,
    draw: np.random.Generator,
    *,
    size: Size = 256,
    stride: PositiveInt = 224,
) -> Tiles:
    """Tiles at a stride, the last one moved back to the edge, so that every pixel is covered.

    On 256 x 1600: 7 tiles at stride 224, 8 at 192. A stride above the size would leave gaps; it is
    taken, and the gaps are stated like any other uncovered pixels.

    Args:
        height: of the image in pixels.
        width: of the image in pixels.
        draw: not used.
        size: side of a tile in pixels.
        stride: pixels from one tile to the next.
    """
    return grid(height, width, (size, size), (stride, stride))


def random_crops(
    height: int, width: int, draw: np.random.Generator, *, size: Size = 256, count: PositiveInt = 6
) -> Tiles:
    """`count` tiles at random places, drawn anew each epoch.

    Args:
        height: of the image in pixels.
        width: of the image in pixels.
        draw: the generator of this image and epoch.
        size: side of a tile in pixels.
        count: how many tiles an image and epoch.
    """
    top = draw.integers(0, max(height - size, 0) + 1, count)
    left = draw.integers(0, max(width - size, 0) + 1, count)
    return Tiles((size, size), np.stack([top, left], axis=1))


def whole(height: int, width: int, draw: np.random.Generator) -> Tiles:
    """The whole image, continued by reflection to a multiple of 32 pixels.

    Args:
        height: of the image in pixels.
        width: of the image in pixels.
        draw: not used.
    """
    return Tiles((up_to_32(height), up_to_32(width)), np.zeros((1, 2), np.int64))


TILINGS: dict[str, Callable[..., Tiles]] = {
    "columns": columns,
    "cover": cover,
    "random_crops": random_crops,
    "whole": whole,
}


def grid(height: int, width: int, size: tuple[int, int], stride: tuple[int, int]) -> Tiles:
    """Tiles at a stride; the last of a row and of a column is moved back to the edge.

    Args:
        height: of the image in pixels.
        width: of the image in pixels.
        size: height and width of a tile in pixels.
        stride: pixels from one tile to the next, down and across.
    """
    tops, lefts = _positions(height, size[0], stride[0]), _positions(width, size[1], stride[1])
    corners = np.stack(np.meshgrid(tops, lefts, indexing="ij"), axis=-1)
    return Tiles(size, corners.reshape(-1, 2))


def up_to_32(pixels: int) -> int:
    """The next multiple of 32."""
    return -(-pixels // 32) * 32


def coverage(height: int, width: int, tiles: Tiles) -> npt.NDArray[np.bool_]:
    """Which pixels of an image some tile shows: [H, W] bool."""
    seen = np.zeros((height, width), bool)
    for top, left in tiles.corners:
        seen[top : top + tiles.size[0], left : left + tiles.size[1]] = True
    return seen


def _positions(length: int, size: int, stride: int) -> npt.NDArray[np.int64]:
    """0, stride, 2 stride, ... up to the position that reaches the far edge."""
    last = max(length - size, 0)
    positions = np.arange(0, last + stride, stride, dtype=np.int64)
    return np.asarray(np.minimum(positions, last), np.int64)
