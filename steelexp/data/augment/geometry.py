"""Geometric augmentation: flips and shifts."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from steelexp.data.augment.donors import Donors, Grey, Probability
from steelexp.data.bits import Bits, for_opencv
from steelexp.data.dataset import DataError
from steelexp.limits import Pixels


def flips(
    grey: Grey,
    bits: Bits,
    rng: np.random.Generator,
    donors: Donors,
    *,
    horizontal: bool = True,
    vertical: bool = True,
) -> tuple[Grey, Bits]:
    """Random flips: each direction with a probability of one half.

    Args:
        grey: [B, h, w] tiles.
        bits: [B, h, w] masks.
        rng: Random generator.
        donors: Not used.
        horizontal: Whether left and right may be swapped.
        vertical: Whether top and bottom may be swapped.

    Returns:
        grey [B, h, w], bits [B, h, w].
    """
    axes = rng.random((len(grey), 2)) < 0.5  # [B, 2] whether to flip vertically, horizontally
    axes &= (vertical, horizontal)
    images = grey.copy()
    labels = bits.copy()
    for i in np.flatnonzero(axes.any(axis=1)):
        # OpenCV's codes: 0 vertical, 1 horizontal, -1 both.
        code = -1 if axes[i].all() else int(axes[i, 1])
        cv2.flip(grey[i], code, dst=images[i])
        cv2.flip(for_opencv(bits[i]), code, dst=for_opencv(labels[i]))
    return images, labels


def shift(
    grey: Grey,
    bits: Bits,
    rng: np.random.Generator,
    donors: Donors,
    *,
    pixels: Pixels = 32,
    probability: Probability = 0.5,
) -> tuple[Grey, Bits]:
    """Random shift of each tile in both directions, filled by reflection.

    Black would look like the sheet's edge. The row or column at the edge is not repeated.

    Args:
        grey: [B, h, w] tiles.
        bits: [B, h, w] masks.
        rng: Random generator.
        donors: Not used.
        pixels: Largest shift in either direction, below the tile's height and width. All shifts up
            to it are equally likely.
        probability: Probability that a tile is shifted.

    Returns:
        grey [B, h, w], bits [B, h, w].

    Raises:
        DataError: The shift could be as large as the tile.
    """
    height, width = grey.shape[1:]
    if pixels >= min(height, width):
        raise DataError(
            f"augment.shift.pixels: {pixels} is as much as a tile of {height} x {width} has; "
            f"set it to at most {min(height, width) - 1}"
        )
    shifts = rng.integers(-pixels, pixels + 1, (len(grey), 2))  # [B, 2] down, right
    images = grey.copy()
    labels = bits.copy()
    for i in np.flatnonzero(rng.random(len(grey)) < probability):
        down, right = shifts[i].tolist()
        images[i] = _shift(grey[i], down, right)
        labels[i] = _shift(for_opencv(bits[i]), down, right)
    return images, labels


def _shift(plane: npt.NDArray[Any], down: int, right: int) -> npt.NDArray[Any]:
    """Shift an image and fill by reflection."""
    height, width = plane.shape
    above = max(down, 0)
    left = max(right, 0)
    below = above - down
    beside = left - right
    padded = cv2.copyMakeBorder(plane, above, below, left, beside, cv2.BORDER_REFLECT_101)
    return np.asarray(padded)[below : below + height, beside : beside + width]
