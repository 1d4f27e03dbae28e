"""Masks as PNG files with a colour palette.

The value of a pixel is the sum of 1 for the first class, 2 for the second, 4 for the third and so
on. The background is 0. The palette has a colour for each value.
"""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from steelexp.palette import CLASS_COLOURS, rgb

Bits = npt.NDArray[np.uint8]


def pack_bits(masks: npt.NDArray[np.bool_]) -> Bits:
    """Pack the masks of all classes: [H, W, C] bool -> [H, W] uint8, bit c set where class c is."""
    return np.packbits(masks, axis=-1, bitorder="little")[..., 0]


def mask_png(bits: Bits) -> bytes:
    """Encode a mask as PNG.

    Args:
        bits: [H, W] mask, bit c set where class c is.
    """
    picture = Image.fromarray(bits)
    picture.putpalette([part for value in range(256) for part in _colour(value)])
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _colour(value: int) -> list[int]:
    """Colour of a value: black for the background, the mean colour for several classes."""
    colours = [rgb(colour) for bit, colour in enumerate(CLASS_COLOURS) if value >> bit & 1]
    mean: list[int] = np.mean(colours or [(0, 0, 0)], axis=0).round().astype(int).tolist()
    return mean
