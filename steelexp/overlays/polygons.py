"""Masks as polygons: the layers that a tracker lays over a picture."""

from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

TOLERANCE = 1.0
"""Pixels by which a polygon may leave its contour; a ragged mask has a quarter of the points."""


def layers(
    truth: npt.NDArray[np.uint8],
    prediction: npt.NDArray[np.uint8],
    *,
    classes: Sequence[str],
    scale: int = 1,
) -> list[dict[str, Any]]:
    """The outlines of two masks, in the form of Comet's image annotations.

    Holes are filled, and what is too thin for a polygon of three points is left out.

    Args:
        truth: [H, W] labels, bit c set where class c is.
        prediction: [H, W] predicted labels, likewise.
        classes: C names, in bit order.
        scale: pixels of the picture a pixel of the masks.

    Returns:
        Two layers, "truth" and "prediction": an entry for each class that is there, with its
        polygons as flat lists x1, y1, x2, y2, ...
    """
    return [
        {"name": name, "data": list(_entries(mask, classes, scale))}
        for name, mask in (("truth", truth), ("prediction", prediction))
    ]


def _entries(mask: npt.NDArray[np.uint8], classes: Sequence[str], scale: int) -> Iterator[Any]:
    for bit, label in enumerate(classes):
        region = (mask >> bit & 1).astype(np.uint8)
        found, _ = cv2.findContours(region, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        drawn = [cv2.approxPolyDP(contour, TOLERANCE, closed=True) for contour in found]
        points = [(scale * polygon).ravel().tolist() for polygon in drawn if len(polygon) > 2]
        if points:
            yield {"label": label, "points": points, "score": None}
