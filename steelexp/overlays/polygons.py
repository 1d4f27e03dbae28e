"""Masks as polygons, for the image annotations of a tracker."""

from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.unsignedinteger[Any]]
Mask = npt.NDArray[np.uint8]
Scores = npt.NDArray[np.float32]

TOLERANCE = 1.0
"""Largest distance in pixels between polygon and contour; reduces the points to a quarter."""

MOST = 100
"""Largest number of predicted components of a class on an image; more are left out, the small ones
first. A network predicts hundreds after its first epoch."""


def layers(
    truth: Bits, prediction: Bits, scores: Scores, *, classes: Sequence[str]
) -> list[dict[str, Any]]:
    """Outlines of two masks, in the form of Comet's image annotations.

    The score of a predicted component is the mean score of its class over its pixels. Components
    have 8 neighbours. Holes are filled. Regions too thin for a polygon of three points are omitted.

    Args:
        truth: [H, W] ground truth, bit c set where class c is.
        prediction: [H, W] prediction, bit c set where class c is.
        scores: [H, W, C] scores from 0 to 1.
        classes: [C] class names, in bit order.

    Returns:
        Two layers, "truth" and "prediction". The first has an entry for each class present, the
        second one for each component, with polygons as flat lists x1, y1, x2, y2, ...
    """
    labelled = []
    predicted = []
    omitted = 0
    for bit, label in enumerate(classes):
        if points := [_points(contour) for contour in _contours(_region(truth, bit))]:
            labelled.append({"label": label, "points": points, "score": None})
        components = list(_components(_region(prediction, bit), scores[..., bit], label))
        predicted += components[:MOST]
        omitted += len(components[MOST:])
    name = f"prediction, {omitted} small components left out" if omitted else "prediction"
    return [{"name": "truth", "data": labelled}, {"name": name, "data": predicted}]


def _region(mask: Bits, bit: int) -> Mask:
    return (mask >> bit & 1).astype(np.uint8)


def _contours(region: Mask) -> list[npt.NDArray[Any]]:
    """Polygons of the outer contours, [N, 1, 2] each, the largest area first."""
    contours, _ = cv2.findContours(region, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    contours = sorted(contours, key=cv2.contourArea, reverse=True)
    polygons = [cv2.approxPolyDP(contour, TOLERANCE, closed=True) for contour in contours]
    return [polygon for polygon in polygons if len(polygon) > 2]


def _components(region: Mask, scores: Scores, label: str) -> Iterator[dict[str, Any]]:
    """An entry for each component, with its mean score."""
    _, numbers = cv2.connectedComponents(region, connectivity=8)
    areas = np.bincount(numbers.ravel())
    sums = np.bincount(numbers.ravel(), weights=scores.ravel())
    for polygon in _contours(region):
        column, row = polygon[0, 0]  # a pixel of the component
        number = numbers[row, column]
        score = round(float(sums[number] / areas[number]), 3)
        yield {"label": label, "points": [_points(polygon)], "score": score}


def _points(polygon: npt.NDArray[Any]) -> list[int]:
    points: list[int] = polygon.ravel().tolist()
    return points
