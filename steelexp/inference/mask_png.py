"""Masks as PNG files: coloured in any viewer, exact for a program.

A pixel's value is the sum of 1 for the first class, 2 for the second, 4 for the third and so on, 0
where there is no defect; a palette gives each value its colour.
"""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from steelexp.palette import CLASS_COLOURS, rgb

Bits = npt.NDArray[np.uint8]


def bits_of(masks: npt.NDArray[np.bool_]) -> Bits:
    """[H, W, C] bool -> [H, W] uint8, bit c set where class c is."""
    return np.packbits(masks, axis=-1, bitorder="little")[..., 0]


def mask_png(bits: Bits) -> bytes:
    """A PNG file of a mask.

    Args:
        bits: [H, W], bit c set where class c is.
    """
    picture = Image.fromarray(bits)
    picture.putpalette([part for value in range(256) for part in _colour(value)])
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _colour(value: int) -> list[int]:
    """Black for the background; of several classes, the mean of their colours."""
    colours = [rgb(colour) for bit, colour in enumerate(CLASS_COLOURS) if value >> bit & 1]
    mixed: list[int] = np.mean(colours or [(0, 0, 0)], axis=0).round().astype(int).tolist()
    return mixed
