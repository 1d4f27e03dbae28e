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
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from steelexp.counts import Pixels
from steelexp.evaluation.detection import OVERLAP, Mask

Masks = npt.NDArray[np.bool_]


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
    """Components of one mask.

    Attributes:
        numbers: Number of the component of each pixel, [H, W]; 0 for none.
        areas: Pixels of each component, [N + 1].
        boxes: Bounding boxes, [N + 1].
    """

    numbers: npt.NDArray[Any]
    areas: Pixels
    boxes: list[Box]

    def shares(self, masks: Masks) -> npt.NDArray[np.float64]:
        """Share of each component in each mask, [N + 1, C], of masks [H, W, C]."""
        counts = [
            np.bincount(self.numbers[masks[..., c]], minlength=len(self.areas))
            for c in range(masks.shape[2])
        ]
        shares: npt.NDArray[np.float64] = np.stack(counts, axis=1) / self.areas[:, None]
        return shares


def findings(truths: Masks, masks: Masks) -> Iterator[Finding]:
    """The components of an image by cell of the confusion matrix.

    Args:
        truths: Ground truth, [H, W, C].
        masks: Prediction, [H, W, C].
    """
    swaps: dict[tuple[int, int], Mask] = {}
    for c in np.flatnonzero(truths.any(axis=(0, 1))).tolist():
        components = find_components(truths[..., c])
        for number, shares in enumerate(components.shares(masks)[1:], start=1):
            column = _covering(shares, c)
            if column not in (0, c + 1):
                swapped = swaps.setdefault((c + 1, column), np.zeros(truths.shape[:2], bool))
                swapped |= components.numbers == number
            yield _finding(components, number, c + 1, column)
    for c in np.flatnonzero(masks.any(axis=(0, 1))).tolist():
        components = find_components(masks[..., c])
        for number, shares in enumerate(components.shares(truths)[1:], start=1):
            row = _covering(shares, c)
            touched = swaps.get((row, c + 1))
            counted = touched is not None and touched[components.numbers == number].any()
            if row != c + 1 and not counted:
                yield _finding(components, number, row, c + 1)


def find_components(mask: Mask) -> Components:
    """The components of a mask, [H, W]."""
    _, numbers, statistics, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=8
    )
    boxes = [
        Box(top, left, top + height, left + width)
        for left, top, width, height, _ in statistics.tolist()
    ]
    areas = np.maximum(statistics[:, cv2.CC_STAT_AREA].astype(np.int64), 1)
    return Components(numbers, areas, boxes)


def _covering(shares: npt.NDArray[np.float64], own: int) -> int:
    """The class that covers a component, as a row or column: its own one first; 0 for none."""
    if shares[own] >= OVERLAP:
        return own + 1
    most = int(shares.argmax())
    return most + 1 if shares[most] >= OVERLAP else 0


def _finding(components: Components, number: int, truth: int, prediction: int) -> Finding:
    area = int(components.areas[number])
    return Finding(truth, prediction, area, components.boxes[number])
