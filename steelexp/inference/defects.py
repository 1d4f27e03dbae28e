"""Defects as connected components: position, size, orientation and score.

Coordinates are in pixels from the upper left corner of the image, x to the right and y downwards.
The first pixel extends from 0 to 1.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from steelexp.inference.postprocessing import bounding_window, label_components

Mask = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.float32]


class Defect(NamedTuple):
    """One connected component (8 neighbours) of one class.

    Attributes:
        label: Class name.
        component: Number within image and class, from 1, the largest first.
        area: Area in pixels.
        left: Left side of the bounding box.
        top: Top of the bounding box.
        width: Width of the bounding box.
        height: Height of the bounding box.
        centre_x: Horizontal coordinate of the centroid.
        centre_y: Vertical coordinate of the centroid.
        length: Longer side of the smallest rotated rectangle around the pixels.
        breadth: Shorter side of that rectangle.
        orientation: Orientation of the longer side in degrees, from 0 to below 180: 0 is
            horizontal, 45 rises to the right, 90 is vertical.
        mean_score: Mean score of the pixels, times the image score under a soft gate.
        max_score: Highest of these scores.
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
"""Measures in pixels, without the area."""


def find_defects(masks: Mask, scores: Scores, classes: Sequence[str]) -> list[Defect]:
    """Find the defects of an image, class by class, the largest first.

    Args:
        masks: [H, W, C] bool masks.
        scores: [H, W, C] scores.
        classes: [C] class names.
    """
    defects = []
    for c, label in enumerate(classes):
        defects += _class_defects(label, masks[..., c], scores[..., c])
    return defects


def _class_defects(label: str, mask: Mask, scores: Scores) -> list[Defect]:
    if not mask.any():
        return []
    window = bounding_window(mask)
    numbers, boxes, centres = label_components(mask[window])
    scores = scores[window]
    corner = window[1].start, window[0].start
    left, top, _, _, area = boxes[1:].T  # 0 is the background
    order = 1 + np.lexsort((left, top, -area))
    return [
        _measure(label, rank, number, numbers, scores, boxes[number], centres[number], corner)
        for rank, number in enumerate(order.tolist(), start=1)
    ]


def _measure(
    label: str,
    rank: int,
    number: int,
    numbers: npt.NDArray[Any],
    scores: Scores,
    box: npt.NDArray[np.int32],
    centre: npt.NDArray[np.float64],
    corner: tuple[int, int],
) -> Defect:
    """Measure one component.

    Args:
        label: Class name.
        rank: Number of the defect.
        number: Its number in `numbers`.
        numbers: [h, w] numbers of the components in a window of the image.
        scores: [h, w] scores of the class in the window.
        box: Left, top, width, height and area in the window.
        centre: Centroid in the window.
        corner: Left and top of the window in the image.
    """
    left, top, width, height, area = box.tolist()
    window = slice(top, top + height), slice(left, left + width)
    inside = numbers[window] == number
    defect_scores = scores[window][inside]
    length, breadth, orientation = _smallest_rectangle(inside)
    x, y = (centre + corner + 0.5).round(2).tolist()
    return Defect(
        label=label,
        component=rank,
        area=area,
        left=left + corner[0],
        top=top + corner[1],
        width=width,
        height=height,
        centre_x=x,
        centre_y=y,
        length=round(length, 2),
        breadth=round(breadth, 2),
        orientation=round(orientation, 1) % 180,
        mean_score=round(float(defect_scores.mean(dtype=np.float64)), 4),
        max_score=round(float(defect_scores.max()), 4),
    )


def _smallest_rectangle(inside: Mask) -> tuple[float, float, float]:
    """Length, breadth and orientation of the smallest rectangle around the pixels as squares."""
    contours, _ = cv2.findContours(
        inside.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    pixels = np.concatenate(contours).astype(np.float32)  # [P, 1, 2] x, y
    squares = pixels + np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)  # [P, 4, 2] corners
    corners = np.asarray(cv2.boxPoints(cv2.minAreaRect(squares.reshape(-1, 2))), np.float64)
    side, other = np.diff(corners[:3], axis=0)
    length, breadth = (math.hypot(*each.tolist()) for each in (side, other))
    if abs(length - breadth) < 1e-3 * length:
        return length, breadth, 0.0
    longer = other if length < breadth else side
    x, y = longer.tolist()
    return max(length, breadth), min(length, breadth), math.degrees(math.atan2(-y, x)) % 180
