"""Found or not: images, components, and which class is taken for which."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from steelexp.counts import Counts, Pixels
from steelexp.inference.postprocessing import postprocess
from steelexp.inference.scoring import ScoredImage
from steelexp.records.postprocessing import ClassRules

Mask = npt.NDArray[np.bool_]

SIZE_CLASSES = ("small", "medium", "large")
BORDERS = (32**2, 96**2)
"""Pixels between them, as in COCO, https://cocodataset.org/#detection-eval."""

OVERLAP = 0.25
"""A labelled component is found where at least this share of it is predicted, and a predicted one
is right where at least this share of it is labelled. Many to many: outlines of defects are a matter
of taste, and one scratch is often labelled in pieces."""


class Matches(NamedTuple):
    """Components of a class, by their size.

    Attributes:
        held: [3] labelled ones.
        found: [3] of them found.
        predicted: [3] predicted ones.
        right: [3] of them right.
    """

    held: Pixels
    found: Pixels
    predicted: Pixels
    right: Pixels


class DetectionCounts:
    """What decisions find on images, an image at a time.

    Args:
        rules: [C] of each class.
    """

    def __init__(self, rules: Sequence[ClassRules]) -> None:
        self._rules = rules
        self._counts: list[Pixels] = []
        self._highest: list[npt.NDArray[np.float32]] = []
        sets = 1 << len(rules)
        self._pairs = np.zeros(sets * sets, np.int64)
        self._matches = np.zeros((len(rules), 4, len(SIZE_CLASSES)), np.int64)

    def add(self, image: ScoredImage) -> None:
        """Decide on one image and count."""
        masks = postprocess(image.scores, self._rules)
        predicted = np.zeros(image.bits.shape, np.uint8)
        counted = np.zeros((3, len(self._rules)), np.int64)
        for c in range(len(self._rules)):
            mask, truth = np.ascontiguousarray(masks[..., c]), image.truth(c)
            predicted |= mask.view(np.uint8) << np.uint8(c)
            hit, both = np.count_nonzero(mask & truth), (np.count_nonzero(mask), truth.sum())
            counted[:, c] = hit, both[0] - hit, both[1] - hit
            if any(both):
                self._matches[c] += matched(mask, truth)
        pairs = image.bits.astype(np.intp) << len(self._rules) | predicted
        self._pairs += np.bincount(pairs.ravel(), minlength=len(self._pairs))
        self._counts.append(counted)
        self._highest.append(image.scores.max(axis=(0, 1)))

    @property
    def counts(self) -> Counts:
        """Pixels, [S, C] each."""
        return Counts(*np.stack(self._counts, axis=1))

    @property
    def highest(self) -> npt.NDArray[np.float32]:
        """[S, C] the highest score of each class on each image."""
        return np.stack(self._highest)

    @property
    def matches(self) -> list[Matches]:
        """[C] components of each class."""
        return [Matches(*each) for each in self._matches]

    @property
    def confusion(self) -> Pixels:
        """[C + 1, C + 1] pixels: rows truth, columns prediction, none first.

        A pixel with several classes counts in the row, or the column, of each.
        """
        classes, sets = len(self._rules), np.arange(1 << len(self._rules))
        within = np.stack([sets == 0, *(sets >> c & 1 == 1 for c in range(classes))])
        members = within.astype(np.int64)  # [C + 1, sets]
        return np.asarray(members @ self._pairs.reshape(len(sets), -1) @ members.T)


def matched(mask: Mask, truth: Mask) -> Matches:
    """The components (8 neighbours) of one class on one image, matched by overlap.

    Args:
        mask: [H, W], where the class is predicted.
        truth: [H, W], where it is labelled.
    """
    return Matches(*_covered(truth, mask), *_covered(mask, truth))


def _covered(region: Mask, other: Mask) -> tuple[Pixels, Pixels]:
    """[3] components of a region by size, and those of them that another region covers."""
    found, labels, statistics, _ = cv2.connectedComponentsWithStats(
        region.astype(np.uint8), connectivity=8
    )
    areas = statistics[1:, cv2.CC_STAT_AREA]
    covered = np.bincount(labels[other], minlength=found)[1:] >= OVERLAP * areas
    sizes = np.searchsorted(BORDERS, areas, side="right")
    count = len(SIZE_CLASSES)
    return np.bincount(sizes, minlength=count), np.bincount(sizes[covered], minlength=count)
