"""The labelled area of each class on an image: pixels, components, black pixels, grid cells."""

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from steelexp.data.dataset import MOST_CLASSES, Bits
from steelexp.data.doctor.pixel_order import Crossings, find_crossings
from steelexp.data.survey import Size

Grey = npt.NDArray[np.uint8]

# A pixel is on black if at least BLACK_SHARE of the square around it has a grey of at most
# BLACK_GREY. A class has the issue "mask on black" if over BLACK_MASK of its pixels are on black.
# That share is 0 on 25 images of Severstal, and up to 0.26 on NEU-Seg, whose patches are dark.
BLACK_GREY = 10
BLACK_SQUARE = 31
BLACK_SHARE = 0.9
BLACK_MASK = 0.5


class Extent(NamedTuple):
    """The labelled area of one class on one image.

    Attributes:
        pixels: Number of labelled pixels.
        components: Number of connected components (8 neighbours).
        pixels_on_black: Number of labelled pixels on black.
        cells: [gh, gw] labelled share of each grid cell.
        crossings: Areas at the end of columns.
    """

    pixels: int
    components: int
    pixels_on_black: int
    cells: npt.NDArray[np.float32]
    crossings: Crossings


def measure(grey: Grey, bits: Bits, grid: Size) -> dict[int, Extent]:
    """The labelled area of each class of an image, by class number.

    Args:
        grey: [H, W] image.
        bits: [H, W] mask, bit c set where class c is.
        grid: Rows and columns of the heatmap.
    """
    present = int(np.bitwise_or.reduce(bits, axis=None))
    extents: dict[int, Extent] = {}
    if not present:
        return extents
    black = black_area(grey)
    for c in range(MOST_CLASSES):
        if present >> c & 1:
            mask: Bits = (bits >> c & 1).astype(np.uint8, copy=False)
            extents[c] = Extent(
                pixels=int(np.count_nonzero(mask)),
                components=cv2.connectedComponents(mask, connectivity=8)[0] - 1,
                pixels_on_black=int(np.count_nonzero(mask[black])),
                cells=_cells(mask, grid),
                crossings=find_crossings(mask),
            )
    return extents


def _cells(mask: Bits, grid: Size) -> npt.NDArray[np.float32]:
    cells = cv2.resize(mask.astype(np.float32), grid[::-1], interpolation=cv2.INTER_AREA)
    return cells.astype(np.float32, copy=False)


def black_area(grey: Grey) -> npt.NDArray[np.bool_]:
    """Mask of the area without steel, [H, W]: nearly all pixels around are about 0.

    Args:
        grey: [H, W] image.
    """
    dark = cv2.threshold(grey, BLACK_GREY, 255, cv2.THRESH_BINARY_INV)[1]
    return cv2.blur(dark, (BLACK_SQUARE, BLACK_SQUARE)) >= round(255 * BLACK_SHARE)
