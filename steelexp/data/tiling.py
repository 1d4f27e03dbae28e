"""Where tiles are cut from an image.

A tiling is a function of an image's height and width. It returns the size and the corners of the
tiles. A tile that extends beyond the image is filled by reflection, because black would look like
the edge of a sheet.

A size is one number for a square tile, or height and width: [256, 512]. Each is a multiple of 32,
because a U-Net halves it five times.
"""

from collections.abc import Callable
from typing import Annotated, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from steelexp.data.dataset import DataError
from steelexp.data.tile_size import Stride, TileSize, sides, size_text
from steelexp.limits import TILES, TileCount


class Tiles(NamedTuple):
    """The tiles of one image.

    Attributes:
        size: Height and width of each tile in pixels.
        corners: [T, 2] top and left of each tile in pixels.
    """

    size: tuple[int, int]
    corners: npt.NDArray[np.int64]


Corners = npt.NDArray[np.int64]
BlackShares = Callable[[Corners, tuple[int, int]], npt.NDArray[np.float64]]
"""Function corners [T, 2] and size of tiles -> share of each that is black, beyond the sheet."""

DRAWS = 10
"""Draws of a tile that is too black; then the least black of them is taken."""


def columns(
    height: int, width: int, rng: np.random.Generator, *, size: TileSize = 256, count: TileCount = 6
) -> Tiles:
    """The published tiling: `count` tiles side by side from the left edge, top row.

    Six tiles of 256 pixels cover columns 0 to 1535 of 1600. The last 64 columns are not used.

    Args:
        height: Height of the image in pixels.
        width: Width of the image in pixels.
        rng: Not used.
        size: Side of a square tile in pixels, or height and width.
        count: Number of tiles.

    Raises:
        DataError: The last tile would begin beyond the right edge.
    """
    tile = sides(size)
    left = np.arange(count) * tile[1]
    if left[-1] >= width:
        most = -(-width // tile[1])
        raise DataError(
            f"tiling.count: {count} tiles of {size_text(size)} pixels side by side do not fit an "
            f"image of {height} x {width}, whose columns end before tile {most + 1}; set "
            f"tiling.count to at most {most}, or take tiling.kind=cover"
        )
    return Tiles(tile, np.stack([np.zeros_like(left), left], axis=1))


def cover(
    height: int,
    width: int,
    rng: np.random.Generator,
    *,
    size: TileSize = 256,
    stride: Stride = 224,
) -> Tiles:
    """Tiles at a fixed stride, the last one moved back to the edge, so that every pixel is covered.

    An image of 256 x 1600 has 7 tiles at stride 224 and 8 at stride 192. A stride above the size
    leaves gaps; `check` reports them as pixels that are not covered.

    Args:
        height: Height of the image in pixels.
        width: Width of the image in pixels.
        rng: Not used.
        size: Side of a square tile in pixels, or height and width.
        stride: Distance between neighbouring tiles in pixels, or the vertical and the horizontal
            one.
    """
    return grid(height, width, sides(size), sides(stride))


def random_crops(
    height: int,
    width: int,
    rng: np.random.Generator,
    black_shares: BlackShares | None = None,
    *,
    size: TileSize = 256,
    count: TileCount = 6,
    max_black: Annotated[float, Field(ge=0, le=1)] = 1.0,
) -> Tiles:
    """`count` tiles at random positions, different in each epoch.

    Args:
        height: Height of the image in pixels.
        width: Width of the image in pixels.
        rng: Random generator of this image and epoch.
        black_shares: Function that measures how much of a tile is black.
        size: Side of a square tile in pixels, or height and width.
        count: Number of tiles per image and epoch.
        max_black: Share of a tile above which the area beyond the sheet is too large, and the tile
            is drawn again, up to nine times. Then the least black of the ten is taken. 1: no tile
            is drawn again.
    """
    tile = sides(size)

    def draw(tiles: int) -> Corners:
        top = rng.integers(0, max(height - tile[0], 0) + 1, tiles)
        left = rng.integers(0, max(width - tile[1], 0) + 1, tiles)
        return np.stack([top, left], axis=1)

    corners = draw(count)
    if max_black < 1 and black_shares is not None:
        corners = _less_black(corners, tile, draw, black_shares, max_black)
    return Tiles(tile, corners)


def _less_black(
    corners: Corners,
    size: tuple[int, int],
    draw: Callable[[int], Corners],
    black_shares: BlackShares,
    max_black: float,
) -> Corners:
    """Draw tiles that are too black again, and keep the least black draw of each."""
    corners = corners.copy()
    shares = black_shares(corners, size)
    for _ in range(DRAWS - 1):
        too_black = np.flatnonzero(shares > max_black)
        if not len(too_black):
            break
        others = draw(len(too_black))
        other_shares = black_shares(others, size)
        better = other_shares < shares[too_black]
        corners[too_black[better]] = others[better]
        shares[too_black[better]] = other_shares[better]
    return corners


def whole_image(height: int, width: int, rng: np.random.Generator) -> Tiles:
    """The whole image, padded by reflection to a multiple of 32 pixels.

    Args:
        height: Height of the image in pixels.
        width: Width of the image in pixels.
        rng: Not used.
    """
    return Tiles((up_to_32(height), up_to_32(width)), np.zeros((1, 2), np.int64))


TILINGS: dict[str, Callable[..., Tiles]] = {
    "columns": columns,
    "cover": cover,
    "random_crops": random_crops,
    "whole": whole_image,
}


def grid(height: int, width: int, size: tuple[int, int], stride: tuple[int, int]) -> Tiles:
    """Tiles at a fixed stride; the last of a row and of a column is moved back to the edge.

    Args:
        height: Height of the image in pixels.
        width: Width of the image in pixels.
        size: Height and width of a tile in pixels.
        stride: Vertical and horizontal distance between neighbouring tiles in pixels.

    Raises:
        DataError: There are more tiles than one image may have.
    """
    tops = _positions(height, size[0], stride[0])
    lefts = _positions(width, size[1], stride[1])
    if (count := len(tops) * len(lefts)) > TILES:
        raise DataError(
            f"tiling.stride: {stride[0]} x {stride[1]} pixels make {count:,} tiles of an image of "
            f"{height} x {width}, and at most {TILES:,} are cut; take a larger stride"
        )
    corners = np.stack(np.meshgrid(tops, lefts, indexing="ij"), axis=-1)
    return Tiles(size, corners.reshape(-1, 2))


def up_to_32(pixels: int) -> int:
    """The next multiple of 32."""
    return -(-pixels // 32) * 32


def coverage(height: int, width: int, tiles: Tiles) -> npt.NDArray[np.bool_]:
    """Mask of the pixels that at least one tile covers: [H, W] bool."""
    covered = np.zeros((height, width), bool)
    for top, left in tiles.corners:
        covered[top : top + tiles.size[0], left : left + tiles.size[1]] = True
    return covered


def _positions(length: int, size: int, stride: int) -> npt.NDArray[np.int64]:
    """0, stride, 2 stride, ... up to the position that reaches the far edge."""
    last = max(length - size, 0)
    positions = np.arange(0, last + stride, stride, dtype=np.int64)
    return np.asarray(np.minimum(positions, last), np.int64)
