"""Tiles mirrored and moved."""

import cv2
import numpy as np
from pydantic import PositiveInt

from steelexp.data.augment.donors import Donors, Grey, Probability
from steelexp.data.dataset import Bits, DataError


def flips(
    grey: Grey,
    bits: Bits,
    draw: np.random.Generator,
    donors: Donors,
    *,
    horizontal: bool = True,
    vertical: bool = True,
) -> tuple[Grey, Bits]:
    """Mirror each tile in each direction with a probability of one half.

    Args:
        grey: [B, h, w].
        bits: [B, h, w].
        draw: the source of every choice.
        donors: not used.
        horizontal: left and right may change places.
        vertical: top and bottom may change places.

    Returns:
        grey [B, h, w], bits [B, h, w].
    """
    chosen = draw.random((len(grey), 2)) < 0.5  # [B, 2]
    chosen &= (vertical, horizontal)
    mirrored, labels = grey.copy(), bits.copy()
    for i in np.flatnonzero(chosen.any(axis=1)):
        # OpenCV's codes: 0 upside down, 1 left to right, -1 both.
        code = -1 if chosen[i].all() else int(chosen[i, 1])
        cv2.flip(grey[i], code, dst=mirrored[i])
        cv2.flip(bits[i], code, dst=labels[i])
    return mirrored, labels


def shift(
    grey: Grey,
    bits: Bits,
    draw: np.random.Generator,
    donors: Donors,
    *,
    pixels: PositiveInt = 32,
    probability: Probability = 0.5,
) -> tuple[Grey, Bits]:
    """Move each tile by up to so many pixels in each direction; what comes in is its reflection.

    Black would look like the sheet's edge. The row or column at the edge is not repeated.

    Args:
        grey: [B, h, w].
        bits: [B, h, w], moved and reflected likewise.
        draw: the source of every choice.
        donors: not used.
        pixels: largest move, below the tile's height and width; all moves up to it are equally
            likely, down and to the right as up and to the left.
        probability: that a tile is moved.

    Returns:
        grey [B, h, w], bits [B, h, w].

    Raises:
        DataError: the move could be as large as the tile.
    """
    height, width = grey.shape[1:]
    if pixels >= min(height, width):
        raise DataError(
            f"augment.shift.pixels: {pixels} is as much as a tile of {height} x {width} has; "
            f"set it to at most {min(height, width) - 1}"
        )
    moves = draw.integers(-pixels, pixels + 1, (len(grey), 2))  # [B, 2] down, to the right
    moved, labels = grey.copy(), bits.copy()
    for i in np.flatnonzero(draw.random(len(grey)) < probability):
        moved[i], labels[i] = (_move(plane, *moves[i].tolist()) for plane in (grey[i], bits[i]))
    return moved, labels


def _move(plane: Grey, down: int, right: int) -> Grey:
    """Move a picture; what comes in is its reflection."""
    height, width = plane.shape
    above, left = max(down, 0), max(right, 0)
    below, beside = above - down, left - right
    wide = cv2.copyMakeBorder(plane, above, below, left, beside, cv2.BORDER_REFLECT_101)
    return np.asarray(wide, np.uint8)[below : below + height, beside : beside + width]
