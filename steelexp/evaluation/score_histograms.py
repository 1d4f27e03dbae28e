"""Every threshold in one pass: how many pixels have which score, per image and class."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.counts import Counts, Pixels
from steelexp.inference.scoring import ScoredImage

Thresholds = npt.NDArray[np.float64]

GRID = tuple(number / 100 for number in range(1, 100))
"""Where curves are drawn."""

CERTAIN = (0.995, 0.998, 0.999, 0.9999)
"""Beyond it, for tuning: a network that was trained with a Dice loss calls all it finds certain."""

CELLS = 4096
"""Of equal width, over (0, 1): a power of two, so that no score is rounded into the next one."""

BLOCK = 8
"""Pixels that are looked at together: as many truth values as there are bytes in a word."""


class Scores(NamedTuple):
    """How many pixels have which score, per image and class.

    A pixel is in bin k where its score reaches k of the thresholds.

    Attributes:
        thresholds: [K], ascending.
        labelled: [S, C, K + 1] pixels that the class is on.
        other: [S, C, K + 1] pixels that it is not on.
    """

    thresholds: Thresholds
    labelled: Pixels
    other: Pixels

    def at(self, places: npt.NDArray[np.int64]) -> Counts:
        """The counts with the thresholds at these places, [C] or one for all classes."""
        classes = self.labelled.shape[1]
        above = np.arange(self.labelled.shape[2]) > np.broadcast_to(places, classes)[:, None]
        tp, fp = (self.labelled * above).sum(axis=2), (self.other * above).sum(axis=2)
        return Counts(tp, fp, self.labelled.sum(axis=2) - tp)

    def place(self, threshold: float) -> int:
        """Where a threshold is among them.

        Raises:
            ValueError: it is not among them.
        """
        return int(np.flatnonzero(self.thresholds == threshold).item())


class Histograms:
    """Scores, an image at a time: 2 x 8 x (K + 1) bytes an image and class are kept.

    Args:
        thresholds: [K], ascending.
    """

    def __init__(self, thresholds: Thresholds) -> None:
        self._thresholds, self._edges = thresholds, edges_of(thresholds)
        self._pixels: list[Pixels] = []

    def add(self, image: ScoredImage) -> None:
        """Count one image."""
        classes = range(image.scores.shape[2])
        self._pixels.append(
            np.stack(
                [histogram(image.scores[..., c], image.truth(c), self._edges) for c in classes]
            )
        )

    @property
    def scores(self) -> Scores:
        """Of the images so far, in their order."""
        pixels = np.stack(self._pixels)  # [S, C, 2, K + 1]
        return Scores(self._thresholds, pixels[:, :, 1], pixels[:, :, 0])


def grid_with(threshold: float) -> Thresholds:
    """0.01, 0.02, ... 0.99, those beyond, and one more threshold, ascending."""
    return np.unique([*GRID, *CERTAIN, threshold])


class Edges(NamedTuple):
    """Thresholds, and where to look for a score among them.

    Attributes:
        values: [K] float32, ascending.
        starts: [CELLS + 1] how many of them the lower end of a cell reaches.
        most: of them within one cell.
    """

    values: npt.NDArray[np.float32]
    starts: npt.NDArray[np.intp]
    most: int


def edges_of(thresholds: Thresholds) -> Edges:
    """Thresholds, [K] in (0, 1) and ascending, made ready."""
    values = thresholds.astype(np.float32)
    starts = np.searchsorted(values, np.arange(CELLS + 1) / CELLS, side="right")
    return Edges(values, starts, int(np.diff(starts).max()))


def histogram(
    scores: npt.NDArray[np.float32], truth: npt.NDArray[np.bool_], edges: Edges
) -> Pixels:
    """How many pixels of one image and class reach how many of the thresholds.

    On most images few pixels reach the first; only blocks with one that does are looked at.

    Args:
        scores: [H, W].
        truth: [H, W], whether the class is there.
        edges: K thresholds.

    Returns:
        [2, K + 1]: pixels without the class and with it.
    """
    blocks, labels = _in_blocks(scores), _in_blocks(truth)
    found = np.flatnonzero((blocks >= edges.values[0]).view(np.uint64) != 0)
    # np.take of whole rows is seven times as fast as blocks[found].
    bins, width = binned(blocks.take(found, axis=0).ravel(), edges), len(edges.values) + 1
    bins += np.where(labels.take(found, axis=0).ravel(), width, 0)
    counted = np.bincount(bins, minlength=2 * width).reshape(2, width)
    labelled = np.count_nonzero(truth)
    counted[:, 0] = np.array([truth.size - labelled, labelled]) - counted[:, 1:].sum(axis=1)
    return counted


def binned(scores: npt.NDArray[np.float32], edges: Edges) -> npt.NDArray[np.intp]:
    """How many of the edges each score reaches: as np.searchsorted, in a third of the time.

    Args:
        scores: [N] in [0, 1].
        edges: K thresholds.
    """
    bins = edges.starts.take((scores * np.float32(CELLS)).astype(np.intp))
    following = np.append(edges.values, np.float32(np.inf))
    for _ in range(edges.most):
        bins += scores >= following.take(bins)
    return bins


def _in_blocks(values: npt.NDArray[np.generic]) -> npt.NDArray[Any]:
    """[H, W] -> [N, BLOCK]; zeros are added where they do not fill the last one."""
    flat: npt.NDArray[Any] = values.ravel()
    if lacking := -flat.size % BLOCK:
        flat = np.append(flat, np.zeros(lacking, flat.dtype))
    return flat.reshape(-1, BLOCK)
