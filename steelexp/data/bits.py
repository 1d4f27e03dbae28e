"""Masks as bits: a pixel is one word, with bit c set where class c is."""

from typing import Any

import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.unsignedinteger[Any]]

MOST_CLASSES = 32
"""Bits of a mask at most: one for each class, and one for ignored pixels where there are some."""

Word = type[np.uint8] | type[np.uint16] | type[np.uint32]


def word_of(bits: int) -> Word:
    """The narrowest unsigned integer of so many bits, 1 to 32. Up to 8 take a byte a pixel."""
    if not 0 <= bits <= MOST_CLASSES:
        raise ValueError(f"{bits} bits: a mask has at most {MOST_CLASSES}")
    return np.uint8 if bits <= 8 else np.uint16 if bits <= 16 else np.uint32


def pack_bits(masks: npt.NDArray[np.bool_]) -> Bits:
    """Pack the masks of all classes: [..., C] bool -> [...] words, bit c set where class c is."""
    word = word_of(masks.shape[-1])
    bits = np.zeros(masks.shape[:-1], word)
    for c in range(masks.shape[-1]):  # np.packbits takes 6.5 ms for a strip of four classes
        plane = np.ascontiguousarray(masks[..., c])
        if plane.any():
            bits |= np.left_shift(plane.view(np.uint8).astype(word, copy=False), c)
    return bits


def for_opencv(bits: Bits) -> npt.NDArray[Any]:
    """A view that OpenCV can move; it has no unsigned integers of 32 bits."""
    return bits.view(np.int32) if bits.dtype == np.uint32 else bits
