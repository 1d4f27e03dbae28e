"""Masks as polygons, for the image annotations of a tracker."""

from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.unsignedinteger[Any]]

TOLERANCE = 1.0
"""Largest distance in pixels between polygon and contour; reduces the points to a quarter."""


def layers(
    truth: Bits,
    prediction: Bits,
    *,
    classes: Sequence[str],
    scale: int = 1,
) -> list[dict[str, Any]]:
    """Outlines of two masks, in the form of Comet's image annotations.

    Holes are filled. Regions too thin for a polygon of three points are omitted.

    Args:
        truth: [H, W] ground truth, bit c set where class c is.
        prediction: [H, W] prediction, bit c set where class c is.
        classes: [C] class names, in bit order.
        scale: Factor by which the picture is larger than the masks.

    Returns:
        Two layers, "truth" and "prediction", with an entry for each class present and its polygons
        as flat lists x1, y1, x2, y2, ...
    """
    return [
        {"name": name, "data": list(_entries(mask, classes, scale))}
        for name, mask in (("truth", truth), ("prediction", prediction))
    ]


def _entries(mask: Bits, classes: Sequence[str], scale: int) -> Iterator[Any]:
    for bit, label in enumerate(classes):
        region = (mask >> bit & 1).astype(np.uint8)
        contours, _ = cv2.findContours(region, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        polygons = [cv2.approxPolyDP(contour, TOLERANCE, closed=True) for contour in contours]
        points = [(scale * polygon).ravel().tolist() for polygon in polygons if len(polygon) > 2]
        if points:
            yield {"label": label, "points": points, "score": None}
