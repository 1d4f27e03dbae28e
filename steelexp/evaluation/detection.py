"""Detection: which images and components are detected, and which class is taken for which."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from steelexp.counts import Counts, Pixels
from steelexp.data.bits import Bits, word_of
from steelexp.inference.postprocessing import postprocess
from steelexp.inference.scoring import ScoredImage
from steelexp.records.postprocessing import ClassRules

Mask = npt.NDArray[np.bool_]

SIZE_CLASSES = ("small", "medium", "large")
SIZE_LIMITS = (32**2, 96**2)
"""Pixels between the size classes, as in COCO, https://cocodataset.org/#detection-eval."""

OVERLAP = 0.25
"""A labelled component is detected where at least this share of it is predicted, and a predicted
one is correct where at least this share of it is labelled. Many to many: outlines of defects are a
matter of taste, and one scratch is often labelled in pieces."""


class ComponentCounts(NamedTuple):
    """Numbers of components of a class by size class.

    Attributes:
        labelled: Labelled components, [3].
        detected: Labelled components that are detected, [3].
        predicted: Predicted components, [3].
        correct: Predicted components that are correct, [3].
    """

    labelled: Pixels
    detected: Pixels
    predicted: Pixels
    correct: Pixels


class DetectionCounts:
    """Accumulates what rules detect on images, an image at a time.

    Args:
        rules: Post-processing rules of each class, [C].
        look: Function of each image and its predicted bits, [H, W]; None for none.
    """

    def __init__(
        self,
        rules: Sequence[ClassRules],
        look: Callable[[ScoredImage, Bits], None] | None = None,
    ) -> None:
        self._rules = rules
        self._look = look
        self._counts: list[Pixels] = []
        self._highest: list[npt.NDArray[np.float32]] = []
        self._confusion = np.zeros((len(rules) + 1, len(rules) + 1), np.int64)
        self._components = np.zeros((len(rules), 4, len(SIZE_CLASSES)), np.int64)

    def add(self, image: ScoredImage) -> None:
        """Apply the rules to one image and count."""
        masks = postprocess(image.scores, self._rules, image.image_scores)
        predicted: Bits = np.zeros(image.bits.shape, word_of(len(self._rules)))
        pixels = np.zeros((3, len(self._rules)), np.int64)
        for c in range(len(self._rules)):
            mask = np.ascontiguousarray(masks[..., c])
            truth = image.truth(c)
            predicted |= mask.astype(predicted.dtype) << predicted.dtype.type(c)
            tp = np.count_nonzero(mask & truth)
            pixels[:, c] = tp, np.count_nonzero(mask) - tp, np.count_nonzero(truth) - tp
            if pixels[:, c].any():
                self._components[c] += count_components(mask, truth)
        if self._look is not None:
            self._look(image, predicted)
        self._confusion += count_pairs(image, predicted)
        self._counts.append(pixels)
        self._highest.append(image.scores.max(axis=(0, 1)))

    @property
    def counts(self) -> Counts:
        """Pixels of the images so far, [S, C] each."""
        return Counts(*np.stack(self._counts, axis=1))

    @property
    def highest(self) -> npt.NDArray[np.float32]:
        """Highest score of each class on each image, [S, C]."""
        return np.stack(self._highest)

    @property
    def components(self) -> list[ComponentCounts]:
        """Components of each class, [C]."""
        return [ComponentCounts(*each) for each in self._components]

    @property
    def confusion(self) -> Pixels:
        """Confusion matrix in pixels, [C + 1, C + 1]: rows truth, columns prediction, none first.

        A pixel with several classes counts in the row, or the column, of each.
        """
        return self._confusion


def count_pairs(image: ScoredImage, predicted: Bits) -> Pixels:
    """Pixels of each pair of truth and prediction on one image, [C + 1, C + 1], none first.

    Args:
        image: Image with its ground truth.
        predicted: Predicted mask, [H, W] of bits.
    """
    classes = image.scores.shape[2]
    some = np.flatnonzero(image.bits | predicted)  # few pixels of most images
    labels, predictions = (bits.ravel()[some].astype(np.int64) for bits in (image.bits, predicted))
    words = labels << classes | predictions
    if classes <= 8:  # a table of all pairs of class sets is faster, and small
        table = np.bincount(words)
        sets = np.flatnonzero(table)
        pixels = table[sets]
    else:
        sets, pixels = np.unique(words, return_counts=True)
    rows, columns = (_members(part, classes) for part in (sets >> classes, sets))
    pairs = rows * pixels @ columns.T
    pairs[0, 0] += image.pixels - len(some)
    return np.asarray(pairs)


def _members(words: npt.NDArray[np.int64], classes: int) -> Pixels:
    """[N] words -> [C + 1, N] of 0 and 1: whether the lower bits are 0, and each of them."""
    labels = np.stack([words >> c & 1 for c in range(classes)])
    return np.concatenate([1 - labels.max(axis=0, keepdims=True), labels])


def count_components(mask: Mask, truth: Mask) -> ComponentCounts:
    """Match the components (8 neighbours) of one class on one image by overlap.

    Args:
        mask: Whether the class is predicted, [H, W].
        truth: Whether it is labelled, [H, W].
    """
    return ComponentCounts(*_covered(truth, mask), *_covered(mask, truth))


def _covered(region: Mask, other: Mask) -> tuple[Pixels, Pixels]:
    """Numbers of components of a region by size class, and of those that another region covers."""
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(
        region.astype(np.uint8), connectivity=8
    )
    areas = statistics[1:, cv2.CC_STAT_AREA]
    covered = np.bincount(labels[other], minlength=count)[1:] >= OVERLAP * areas
    sizes = np.searchsorted(SIZE_LIMITS, areas, side="right")
    kinds = len(SIZE_CLASSES)
    return np.bincount(sizes, minlength=kinds), np.bincount(sizes[covered], minlength=kinds)
