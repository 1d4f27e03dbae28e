"""What is left of a class when small components are left out, for tuning: at a few thresholds."""

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from steelexp.counts import Pixels
from steelexp.inference.scoring import ScoredImage

LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.99, 0.999)
"""Thresholds: finding components is a hundred times the work of a histogram's bin."""

SIZES = tuple(2**power for power in range(4, 15))
"""Pixels, 16 to 16,384: from a speck to a 25th of an image of 256 x 1600."""


class ComponentAreas(NamedTuple):
    """Pixels in components (8 neighbours) of at least some size, per image and class.

    Attributes:
        predicted: [S, C, T, Z] at T thresholds LEVELS and Z sizes SIZES.
        tp: [S, C, T, Z] of them labelled.
    """

    predicted: Pixels
    tp: Pixels


class Components:
    """ComponentAreas, an image at a time: 2 x 8 x 88 bytes an image and class are kept."""

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
        """Of the images so far, in their order."""
        pixels = np.stack(self._pixels)  # [S, C, 2, T, Z]
        return ComponentAreas(pixels[:, :, 0], pixels[:, :, 1])


def component_pixels(
    scores: npt.NDArray[np.float32], truth: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """Pixels of one image and class in components of at least SIZES at LEVELS, and those labelled.

    Args:
        scores: [H, W].
        truth: [H, W], whether the class is there.

    Returns:
        [2, T, Z].
    """
    pixels = np.zeros((2, len(LEVELS), len(SIZES)), np.int64)
    for place, level in enumerate(LEVELS):
        mask = scores >= np.float32(level)
        if not mask.any():
            break
        found, labels, statistics, _ = cv2.connectedComponentsWithStats(
            mask.astype(np.uint8), connectivity=8
        )
        areas = statistics[1:, cv2.CC_STAT_AREA].astype(np.int64)
        labelled = np.bincount(labels[truth], minlength=found)[1:]
        kept = areas >= np.array(SIZES)[:, None]  # [Z, components]
        pixels[:, place] = kept @ areas, kept @ labelled
    return pixels
