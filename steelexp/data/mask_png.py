"""Masks as PNG files of class numbers with a colour palette.

Value k is the k-th class and 0 is the background, as the data source `mask_folder` reads them. The
sets of several classes have the values after the last class (steelexp/data/class_sets.py).
"""

import functools
import io
import zlib

import numpy as np
import numpy.typing as npt
from PIL import Image

from steelexp.data.bits import Bits
from steelexp.data.class_sets import MOST_CLASSES_IN_A_BYTE, set_of_value, to_values
from steelexp.palette import CLASS_COLOURS, rgb

IGNORED = 255
"""Value of ignored pixels, where a mask has some."""


def mask_png(bits: Bits, classes: int, ignored: npt.NDArray[np.bool_] | None = None) -> bytes:
    """Encode a mask as PNG.

    Args:
        bits: [H, W] mask, bit c set where class c is.
        classes: Number of classes. With more than 8 a pixel has one of them at most.
        ignored: [H, W] ignored pixels, which get the value 255, in white; None if there are none.
    """
    if ignored is None:
        if not bits.any():
            return _empty(bits.shape, classes)
        return _encoded(to_values(bits, classes), _palette(classes))
    values = np.where(ignored, np.uint8(IGNORED), to_values(bits, classes))
    palette = _palette(classes)[: 3 * IGNORED].ljust(3 * IGNORED, b"\0") + _WHITE
    return _encoded(values, palette)


@functools.lru_cache(maxsize=4)
def _empty(shape: tuple[int, ...], classes: int) -> bytes:
    """The file of a mask without a class; about half of all strips have it."""
    return _encoded(np.zeros(shape, np.uint8), _palette(classes))


def _encoded(values: npt.NDArray[np.uint8], palette: bytes) -> bytes:
    picture = Image.fromarray(values)
    picture.putpalette(palette)
    file = io.BytesIO()
    # Runs of one value alone are looked for, which takes a quarter of the time of level 6.
    picture.save(file, "PNG", compress_level=1, compress_type=zlib.Z_RLE)
    return file.getvalue()


_WHITE = b"\xff\xff\xff"


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
