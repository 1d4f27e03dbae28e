"""Masks as PNG files of class numbers with a colour palette.

Value k is the k-th class and 0 is the background, as the data source `mask_folder` reads them. The
sets of several classes have the values after the last class (steelexp/data/class_sets.py).
"""

import functools
import io

import numpy as np
from PIL import Image

from steelexp.data.bits import Bits
from steelexp.data.class_sets import MOST_CLASSES_IN_A_BYTE, set_of_value, to_values
from steelexp.palette import CLASS_COLOURS, rgb


def mask_png(bits: Bits, classes: int) -> bytes:
    """Encode a mask as PNG.

    Args:
        bits: [H, W] mask, bit c set where class c is.
        classes: Number of classes. With more than 8 a pixel has one of them at most.
    """
    picture = Image.fromarray(to_values(bits, classes))
    picture.putpalette(_palette(classes))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


@functools.cache
def _palette(classes: int) -> bytes:
    """Red, green and blue of each value."""
    values = 1 << classes if classes <= MOST_CLASSES_IN_A_BYTE else classes + 1
    return bytes(part for value in range(values) for part in _colour(set_of_value(value, classes)))


def _colour(bits: int) -> list[int]:
    """Colour of a set of classes: black for the background, the mean colour for several."""
    colours = [rgb(colour) for bit, colour in enumerate(CLASS_COLOURS) if bits >> bit & 1]
    mean: list[int] = np.mean(colours or [(0, 0, 0)], axis=0).round().astype(int).tolist()
    return mean
