"""Confusion of components: detected, missed, invented, or taken for another class.

It uses the match of `detection`: a component is covered by a class where at least OVERLAP of its
pixels are of that class. Components have 8 neighbours.

- A labelled component counts once, in the row of its class. It is detected if its own class covers
  it: the diagonal is the number of detected components. Else it is swapped, in the column of the
  class that covers most of it, or missed, in the column "none".
- A predicted component that its own class does not cover is wrong. It is invented, in the row
  "none", if no class covers it. Else it is swapped, in the row of the class that covers most of it,
  unless a labelled component that it touches counts there already.
"""

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from steelexp.counts import Pixels
from steelexp.data.bits import Bits
from steelexp.evaluation.detection import OVERLAP, Mask


class Box(NamedTuple):
    """A rectangle of pixels; bottom and right are not included."""

    top: int
    left: int
    bottom: int
    right: int


class Finding(NamedTuple):
    """A component in a cell of the matrix.

    Attributes:
        truth: Row: 0 for none, c + 1 for class c.
        prediction: Column, in the same way.
        area: Pixels.
        box: Bounding box.
    """

    truth: int
    prediction: int
    area: int
    box: Box


class Components(NamedTuple):
    """Components of a class on an image.

    Attributes:
        pixels: Places of the pixels of all components in the flat image, [P].
        numbers: Number of the component of each of them, from 1, [P].
        areas: Pixels of each component, [N + 1]; the first is none.
        boxes: Bounding boxes, [N + 1].
    """

    pixels: Pixels
    numbers: Pixels
    areas: Pixels
    boxes: list[Box]

    def shares(self, bits: Bits, classes: int) -> npt.NDArray[np.float64]:
        """Share of each component that has each class, [N + 1, C], of bits [H, W]."""
        words = bits.ravel()[self.pixels]
        counts = [
            np.bincount(self.numbers[(words >> c & 1) > 0], minlength=len(self.areas))
            for c in range(classes)
        ]
        shares: npt.NDArray[np.float64] = np.stack(counts, axis=1) / self.areas[:, None]
        return shares

    def places(self, number: int) -> Pixels:
        """Places of the pixels of a component in the flat image."""
        places: Pixels = self.pixels[self.numbers == number]
        return places


def findings(truth: Bits, prediction: Bits, classes: int) -> Iterator[Finding]:
    """The components of an image by cell of the confusion matrix.

    Args:
        truth: Ground truth, [H, W], bit c set where class c is.
        prediction: Prediction, [H, W], in the same way.
        classes: Number of classes, C.
    """
    swaps: dict[tuple[int, int], Mask] = {}
    for c, components in _by_class(truth, classes):
        for number, shares in enumerate(components.shares(prediction, classes)[1:], start=1):
            column = _covering(shares, c)
            if column not in (0, c + 1):
                swapped = swaps.setdefault((c + 1, column), np.zeros(truth.size, bool))
                swapped[components.places(number)] = True
            yield _finding(components, number, c + 1, column)
    for c, components in _by_class(prediction, classes):
        for number, shares in enumerate(components.shares(truth, classes)[1:], start=1):
            row = _covering(shares, c)
            touched = swaps.get((row, c + 1))
            is_counted = touched is not None and touched[components.places(number)].any()
            if row != c + 1 and not is_counted:
                yield _finding(components, number, row, c + 1)


def _by_class(bits: Bits, classes: int) -> Iterator[tuple[int, Components]]:
    """The classes that an image has, and their components."""
    present = np.bitwise_or.reduce(bits, axis=None)
    for c in range(classes):
        if present >> c & 1:
            yield c, find_components((bits >> c & 1).astype(np.uint8))


def find_components(region: npt.NDArray[np.uint8]) -> Components:
    """The components of a region, [H, W] of 0 and 1."""
    _, numbers, statistics, _ = cv2.connectedComponentsWithStats(region, connectivity=8)
    boxes = [
        Box(top, left, top + height, left + width)
        for left, top, width, height, _ in statistics.tolist()
    ]
    areas = np.maximum(statistics[:, cv2.CC_STAT_AREA].astype(np.int64), 1)
    pixels = np.flatnonzero(region)
    return Components(pixels, numbers.ravel()[pixels].astype(np.int64), areas, boxes)


def _covering(shares: npt.NDArray[np.float64], own: int) -> int:
    """The class that covers a component, as a row or column: its own one first; 0 for none."""
    if shares[own] >= OVERLAP:
        return own + 1
    most = int(shares.argmax())
    return most + 1 if shares[most] >= OVERLAP else 0


def _finding(components: Components, number: int, truth: int, prediction: int) -> Finding:
    area = int(components.areas[number])
    return Finding(truth, prediction, area, components.boxes[number])
