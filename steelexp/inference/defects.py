"""Defects one by one: where each lies, how large it is, which way it runs, how sure the model is.

Coordinates are counted from the image's upper left corner, x to the right and y downwards, in
pixels: the first pixel reaches from 0 to 1.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.float32]


class Defect(NamedTuple):
    """One connected component (8 neighbours) of one class.

    Attributes:
        label: the class.
        component: number within image and class, the largest first.
        area: pixels.
        left: x of the bounding box.
        top: y of the bounding box.
        width: of the bounding box.
        height: of the bounding box.
        centre_x: of the centroid.
        centre_y: of the centroid.
        length: longer side of the smallest rectangle, turned any way, around the pixels.
        breadth: its shorter side.
        orientation: of its longer side, in degrees from 0 to below 180: 0 runs along the rows, 45
            from lower left to upper right, 90 along the columns.
        mean_score: of the pixels.
        max_score: of the pixels.
    """

    label: str
    component: int
    area: int
    left: int
    top: int
    width: int
    height: int
    centre_x: float
    centre_y: float
    length: float
    breadth: float
    orientation: float
    mean_score: float
    max_score: float


LENGTHS = ("left", "top", "width", "height", "centre_x", "centre_y", "length", "breadth")
"""The measures in pixels, beside the area."""


def defects(masks: Mask, scores: Scores, classes: Sequence[str]) -> list[Defect]:
    """The defects of an image, class by class, the largest first.

    Args:
        masks: [H, W, C] bool.
        scores: [H, W, C].
        classes: [C] names.
    """
    found = []
    for c, label in enumerate(classes):
        found += _of_class(label, masks[..., c], scores[..., c])
    return found


def _of_class(label: str, mask: Mask, scores: Scores) -> list[Defect]:
    if not mask.any():
        return []
    _, found, boxes, centres = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=8
    )
    numbers = np.asarray(found, np.int32)  # [H, W]
    left, top, _, _, area = boxes[1:].T  # 0 is the background
    order = 1 + np.lexsort((left, top, -area))
    return [
        _measured(label, place, number, numbers, scores, boxes[number], centres[number])
        for place, number in enumerate(order.tolist(), start=1)
    ]


def _measured(
    label: str,
    place: int,
    number: int,
    numbers: npt.NDArray[np.int32],
    scores: Scores,
    box: npt.NDArray[np.int32],
    centre: npt.NDArray[np.float64],
) -> Defect:
    left, top, width, height, area = box.tolist()
    window = slice(top, top + height), slice(left, left + width)
    inside = numbers[window] == number
    sure = scores[window][inside]
    length, breadth, orientation = _rectangle(inside)
    x, y = (centre + 0.5).round(2).tolist()
    return Defect(
        label=label,
        component=place,
        area=area,
        left=left,
        top=top,
        width=width,
        height=height,
        centre_x=x,
        centre_y=y,
        length=round(length, 2),
        breadth=round(breadth, 2),
        orientation=round(orientation, 1) % 180,
        mean_score=round(float(sure.mean(dtype=np.float64)), 4),
        max_score=round(float(sure.max()), 4),
    )


def _rectangle(inside: Mask) -> tuple[float, float, float]:
    """Length, breadth and orientation of the smallest rectangle around the pixels as squares."""
    rim, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    pixels = np.concatenate(rim).astype(np.float32)  # [P, 1, 2] x, y
    squares = pixels + np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)  # [P, 4, 2] corners
    corners = np.asarray(cv2.boxPoints(cv2.minAreaRect(squares.reshape(-1, 2))), np.float64)
    side, other = corners[1] - corners[0], corners[2] - corners[1]
    length, breadth = math.hypot(*side.tolist()), math.hypot(*other.tolist())
    if abs(length - breadth) < 1e-3 * length:
        return length, breadth, 0.0
    if length < breadth:
        side, length, breadth = other, breadth, length
    x, y = side.tolist()
    return length, breadth, math.degrees(math.atan2(-y, x)) % 180
