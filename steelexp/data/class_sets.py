"""Masks of numbers: one value a pixel, also where several classes overlap.

Value k is the k-th class alone and 0 is the background. The sets of several classes follow after
the last class, in the order of their bits. With classes 1, 2 and 3, value 4 is the set of 1 and 2,
5 that of 1 and 3, 6 that of 2 and 3, and 7 all of them. A byte holds all sets of eight classes.
With more classes it holds one class a pixel, and no sets.
"""

import functools

import cv2
import numpy as np
import numpy.typing as npt

from steelexp.data.dataset import Bits

Values = npt.NDArray[np.uint8]

MOST_CLASSES_IN_A_BYTE = 8


def to_values(bits: Bits, classes: int) -> Values:
    """Number the class sets of a mask.

    Args:
        bits: [H, W] mask, bit c set where class c is.
        classes: Number of classes.

    Returns:
        [H, W] uint8 values.

    Raises:
        ValueError: There are more than eight classes, and a pixel has several.
    """
    if classes <= MOST_CLASSES_IN_A_BYTE:
        if bits.max(initial=0) >= 1 << classes:
            raise IndexError(f"a pixel has a bit beyond those of {classes} classes")
        return np.asarray(cv2.LUT(bits.astype(np.uint8, copy=False), _table(classes)), np.uint8)
    if has_overlaps(bits):
        raise ValueError(f"{classes} classes: masks of numbers hold the sets of at most 8")
    values = np.zeros(bits.shape, np.uint8)
    for c in range(classes):
        values[bits >> c & 1 == 1] = c + 1
    return values


def from_values(values: Values, classes: int) -> Bits:
    """The inverse of `to_values`; a value without a set of classes raises an IndexError."""
    return np.argsort(_values_of_sets(classes)).astype(np.uint8)[values]


def has_overlaps(bits: Bits) -> bool:
    """Whether a pixel has several classes."""
    return bool((bits & (bits - np.ones_like(bits))).any())  # the lowest bit removed


def strongest_class(
    masks: npt.NDArray[np.bool_], scores: npt.NDArray[np.float32]
) -> npt.NDArray[np.bool_]:
    """Masks in which a pixel of several classes keeps the one of the highest score.

    Args:
        masks: [H, W, C] masks.
        scores: [H, W, C] scores.
    """
    several = np.count_nonzero(masks, axis=2) > 1  # [H, W]
    best = np.where(masks[several], scores[several], -1).argmax(axis=1)  # [N]
    single = masks.copy()
    single[several] = np.eye(masks.shape[2], dtype=bool)[best]
    return single


def set_of_value(value: int, classes: int) -> int:
    """The bits of one value."""
    if classes > MOST_CLASSES_IN_A_BYTE:
        return 1 << value >> 1
    return int(np.flatnonzero(_values_of_sets(classes) == value).item())


@functools.cache
def _values_of_sets(classes: int) -> Values:
    """Value of each set of classes, [2 ** classes]."""
    if not 0 < classes <= MOST_CLASSES_IN_A_BYTE:
        raise ValueError(f"{classes} classes: masks of numbers hold 1 to {MOST_CLASSES_IN_A_BYTE}")
    sets = range(1 << classes)
    singles = [1 << c for c in range(classes)]
    order = [0, *singles, *(each for each in sets if each.bit_count() > 1)]
    values = np.zeros(len(sets), np.uint8)
    values[order] = np.arange(len(sets))
    return values


@functools.cache
def _table(classes: int) -> Values:
    """The values for OpenCV, which looks up in tables of 256."""
    return np.resize(_values_of_sets(classes), 256)
