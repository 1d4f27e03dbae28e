"""Pixels left of a class when small components are removed, at a few thresholds, for tuning."""

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from steelexp.counts import Pixels
from steelexp.inference.scoring import ScoredImage

LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.99, 0.999)
"""Thresholds. They are few, because connected components cost a hundred times a histogram's bin."""

SIZES = tuple(2**power for power in range(4, 15))
"""Pixels, 16 to 16,384: from a speck to a 25th of an image of 256 x 1600."""


class ComponentAreas(NamedTuple):
    """Pixels in components (8 neighbours) of at least some size, per image and class.

    Attributes:
        predicted: Predicted pixels at T thresholds LEVELS and Z sizes SIZES, [S, C, T, Z].
        tp: True positives among them, [S, C, T, Z].
    """

    predicted: Pixels
    tp: Pixels


class Components:
    """Accumulates ComponentAreas, an image at a time.

    It needs 2 x 8 x 88 bytes an image and class.
    """

    def __init__(self) -> None:
        self._pixels: list[Pixels] = []

    def add(self, image: ScoredImage) -> None:
        """Count one image."""
        classes = range(image.scores.shape[2])
        self._pixels.append(
            np.stack([component_pixels(image.scores[..., c], image.truth(c)) for c in classes])
        )

    @property
    def areas(self) -> ComponentAreas:
        """The areas of the images so far, in their order."""
        pixels = np.stack(self._pixels)  # [S, C, 2, T, Z]
        return ComponentAreas(pixels[:, :, 0], pixels[:, :, 1])


def component_pixels(
    scores: npt.NDArray[np.float32], truth: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """Predicted pixels and true positives of one image and class by threshold and component size.

    Args:
        scores: Scores of the class, [H, W].
        truth: Whether the pixel is labelled, [H, W].

    Returns:
        [2, T, Z].
    """
    pixels = np.zeros((2, len(LEVELS), len(SIZES)), np.int64)
    for t, level in enumerate(LEVELS):
        mask = scores >= np.float32(level)
        if not mask.any():
            break
        count, labels, statistics, _ = cv2.connectedComponentsWithStats(
            mask.astype(np.uint8), connectivity=8
        )
        areas = statistics[1:, cv2.CC_STAT_AREA].astype(np.int64)
        tp = np.bincount(labels[truth], minlength=count)[1:]
        large = areas >= np.array(SIZES)[:, None]  # [Z, components]
        pixels[:, t] = large @ areas, large @ tp
    return pixels
