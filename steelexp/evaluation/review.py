"""What a reviewer looks at: examples of every confusion of components, and the worst images.

The choice is the same in every run: the largest components of a cell, and the images with the
lowest Dice of a class, among equals the larger ones, then the first ones.
"""

import functools
import heapq
import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from steelexp.counts import Pixels
from steelexp.data.bits import Bits
from steelexp.evaluation.component_confusion import Box, Finding, findings
from steelexp.inference.scoring import ScoredImage
from steelexp.overlays import polygons
from steelexp.records.review import EXAMPLES_PER_CELL, WORST_PER_CLASS

DETECTED_PER_CELL = 5
"""Most examples of a cell of the diagonal."""

EXAMPLES = 100
"""Most examples of all cells together; each is a file to send, which takes 0.05 s or more."""

WORST = 24
"""Most worst images of all classes together, but one of each class."""

MARGIN = 16
"""Pixels shown around a component."""

SMALLEST = 96
"""Least height and width of what is shown, in pixels."""

Heap = list[tuple[tuple[Any, ...], Any]]
"""Rank and content of each entry, the lowest rank first."""


class Example(NamedTuple):
    """An example of a cell of the confusion matrix.

    Attributes:
        row: Number of the image.
        finding: Component.
        window: Part of the image that shows it.
        prediction: Predicted bits in the window, [h, w].
    """

    row: int
    finding: Finding
    window: Box
    prediction: Bits


class WorstImage(NamedTuple):
    """An image on which a class has a low Dice.

    Attributes:
        row: Number of the image.
        dice: Dice of the class.
        layers: Polygons of truth and prediction.
    """

    row: int
    dice: float
    layers: list[dict[str, Any]]


class Review:
    """Accumulates what a reviewer looks at, an image at a time.

    Args:
        classes: Names of the classes, [C].
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = classes
        count = len(classes) + 1
        self._matrix = np.zeros((count, count), np.int64)
        self._examples: dict[tuple[int, int], Heap] = {}
        self._worst: list[Heap] = [[] for _ in classes]
        self._numbers = itertools.count()
        self._worst_per_class = max(1, min(WORST_PER_CLASS, WORST // len(classes)))

    def add(self, image: ScoredImage, prediction: Bits) -> None:
        """Look at one image.

        Args:
            image: Image with scores and ground truth.
            prediction: Predicted bits, [H, W], bit c set where class c is.
        """
        if not (image.bits.any() or prediction.any()):
            return
        for finding in findings(image.bits, prediction, len(self._classes)):
            cell = (finding.truth, finding.prediction)
            self._matrix[cell] += 1
            rank = (finding.area, -image.row, -next(self._numbers))
            example = functools.partial(_example, image.row, finding, prediction)
            most = DETECTED_PER_CELL if cell[0] == cell[1] else EXAMPLES_PER_CELL
            _keep(self._examples.setdefault(cell, []), rank, example, most)
        self._rank(image, prediction)

    def _rank(self, image: ScoredImage, prediction: Bits) -> None:
        """Keep the image for each class of which it is among the worst."""
        some = np.flatnonzero(image.bits | prediction)  # few pixels of most images
        bits = np.arange(len(self._classes))
        truth, predicted = (
            (words.ravel()[some, None].astype(np.int64) >> bits & 1)  # [P, C]
            for words in (image.bits, prediction)
        )
        both = (truth & predicted).sum(axis=0)
        sizes = (truth + predicted).sum(axis=0)
        for c in np.flatnonzero(sizes).tolist():
            dice = float(2 * both[c] / sizes[c])
            rank = (-dice, int(sizes[c]), -image.row)
            worst = functools.partial(self._worst_image, image, dice, prediction)
            _keep(self._worst[c], rank, worst, self._worst_per_class)

    def _worst_image(self, image: ScoredImage, dice: float, prediction: Bits) -> WorstImage:
        layers = polygons.layers(image.bits, prediction, image.scores, classes=self._classes)
        return WorstImage(image.row, dice, layers)

    @property
    def matrix(self) -> Pixels:
        """Components, [C + 1, C + 1]: rows truth, columns prediction, none first."""
        return self._matrix

    @property
    def examples(self) -> list[Example]:
        """Examples in the order of the cells, at most EXAMPLES: of each cell as many as fit."""
        cells = {
            cell: [example for _, example in sorted(heap, key=lambda each: each[0], reverse=True)]
            for cell, heap in sorted(self._examples.items())
        }
        counts = dict.fromkeys(cells, 0)
        for place in range(EXAMPLES_PER_CELL):
            for cell, examples in cells.items():
                if place < len(examples) and sum(counts.values()) < EXAMPLES:
                    counts[cell] += 1
        return [each for cell, examples in cells.items() for each in examples[: counts[cell]]]

    @property
    def worst(self) -> list[list[WorstImage]]:
        """The worst images of each class, [C], the lowest Dice first."""
        return [
            [image for _, image in sorted(heap, key=lambda each: each[0], reverse=True)]
            for heap in self._worst
        ]


def _example(row: int, finding: Finding, prediction: Bits) -> Example:
    window = window_of(finding.box, prediction.shape)
    part = prediction[window.top : window.bottom, window.left : window.right]
    return Example(row, finding, window, part.copy())


def window_of(box: Box, shape: tuple[int, ...]) -> Box:
    """The part of an image of a shape that shows a component, with MARGIN around it.

    It is at least SMALLEST high and wide, unless the image is smaller.
    """
    sides = []
    for begin, end, size in ((box.top, box.bottom, shape[0]), (box.left, box.right, shape[1])):
        length = min(size, max(end - begin + 2 * MARGIN, SMALLEST))
        start = min(max((begin + end - length) // 2, 0), size - length)
        sides.append((start, start + length))
    (top, bottom), (left, right) = sides
    return Box(top, left, bottom, right)


def _keep(heap: Heap, rank: tuple[Any, ...], make: Callable[[], Any], most: int) -> None:
    """Add what is made, and drop the lowest rank where there are too many; ranks differ."""
    if len(heap) < most:
        heapq.heappush(heap, (rank, make()))
    elif rank > heap[0][0]:
        heapq.heapreplace(heap, (rank, make()))
