"""Classes that scaling a mask with interpolation has made: rims between a lower and a higher value.

A mask of class numbers that is scaled like a photograph gets values between two neighbours: around
an area of class 4 lie thin rims of the classes 1, 2 and 3, which nobody drew.
"""

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

RIM_SHARE = 0.5
"""Share of borders with a rim above which a mask has been interpolated.

benchmarks/doctor_rims.py: of made class maps of 2 to 8 classes, scaled by 0.3 to 4, 2 of 900 reach
it with nearest pixels and 783 with cv2's linear interpolation; of NEU-Seg's 4,470 masks, none.
"""

LEAST_RIM = 20
"""Pixels of rims below which a mask tells nothing."""

_SQUARE = np.ones((3, 3), np.uint8)


class Rims(NamedTuple):
    """The rims in a mask.

    Attributes:
        pixels: Number of pixels with both a lower and a higher value around them.
        plain: Number of pixels at a border where a value would fit between, and none is.
        values: Values of the rims, ascending.
    """

    pixels: int
    plain: int
    values: list[int]

    @property
    def look_interpolated(self) -> bool:
        """Whether most borders of the mask have a rim."""
        share = self.pixels / max(self.pixels + self.plain, 1)
        return self.pixels >= LEAST_RIM and share > RIM_SHARE


def find_rims(values: npt.NDArray[np.uint8]) -> Rims:
    """Find the pixels whose 3 x 3 neighbours are lower and higher.

    Args:
        values: [H, W] mask, 0 for background and k for the k-th class.
    """
    lowest = cv2.erode(values, _SQUARE)
    rim = (lowest < values) & (values < cv2.dilate(values, _SQUARE))
    beside_rim = cv2.dilate(rim.astype(np.uint8), _SQUARE) > 0
    plain = (values - lowest >= 2) & ~beside_rim
    counts = np.bincount(values[rim], minlength=1)
    return Rims(int(counts.sum()), int(np.count_nonzero(plain)), np.flatnonzero(counts).tolist())
