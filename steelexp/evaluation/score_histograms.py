"""Every threshold in one pass: how many pixels have which score, per strip and class."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.evaluation.counts import Counts, Pixels
from steelexp.evaluation.prediction import ScoredStrip

Thresholds = npt.NDArray[np.float64]

GRID = tuple(number / 100 for number in range(1, 100))
"""Where curves are drawn."""

CERTAIN = (0.995, 0.998, 0.999, 0.9999)
"""Beyond it, for tuning: a network that was trained with a Dice loss calls all it finds certain."""

CELLS = 4096


class Scores(NamedTuple):
    """How many pixels have which score, per strip and class.

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
    """Scores, a strip at a time: 2 x 8 x (K + 1) bytes a strip and class are kept.

    Args:
        thresholds: [K], ascending.
    """

    def __init__(self, thresholds: Thresholds) -> None:
        self._thresholds = thresholds
        self._pixels: list[Pixels] = []

    def add(self, strip: ScoredStrip) -> None:
        """Count one strip."""
        classes = range(strip.scores.shape[2])
        self._pixels.append(
            np.stack(
                [histogram(strip.scores[..., c], strip.truth(c), self._thresholds) for c in classes]
            )
        )

    @property
    def scores(self) -> Scores:
        """Of the strips so far, in their order."""
        pixels = np.stack(self._pixels)  # [S, C, 2, K + 1]
        return Scores(self._thresholds, pixels[:, :, 1], pixels[:, :, 0])


def grid_with(threshold: float) -> Thresholds:
    """0.01, 0.02, ... 0.99, those beyond, and one more threshold, ascending."""
    return np.unique([*GRID, *CERTAIN, threshold])


def histogram(
    scores: npt.NDArray[np.float32], truth: npt.NDArray[np.bool_], thresholds: Thresholds
) -> Pixels:
    """How many pixels of one strip and class reach how many of the thresholds.

    Args:
        scores: [H, W].
        truth: [H, W], whether the class is there.
        thresholds: [K], ascending.

    Returns:
        [2, K + 1]: pixels without the class and with it.
    """
    edges = thresholds.astype(np.float32)
    found = np.flatnonzero(scores >= edges[0])  # on most strips few: the others need no bin
    bins = binned(scores.ravel()[found], edges)
    width, labels = len(edges) + 1, truth.ravel()
    counted = np.bincount(bins + width * labels[found], minlength=2 * width).reshape(2, width)
    labelled = np.count_nonzero(labels)
    counted[:, 0] = np.array([labels.size - labelled, labelled]) - counted.sum(axis=1)
    return counted


def binned(scores: npt.NDArray[np.float32], edges: npt.NDArray[np.float32]) -> npt.NDArray[np.intp]:
    """How many of the edges each score reaches; np.searchsorted(side="right"), five times as fast.

    A table has the answer at CELLS equal steps, and a score is compared with the edges in its step.
    CELLS is a power of two, so that no score is rounded into the next step.

    Args:
        scores: [N] in [0, 1].
        edges: [K] in (0, 1), ascending.
    """
    starts = np.searchsorted(edges, np.arange(CELLS + 1) / CELLS, side="right")
    bins = starts[(scores * np.float32(CELLS)).astype(np.intp)]
    following = np.append(edges, np.float32(np.inf))
    for _ in range(int(np.diff(starts).max())):
        bins += scores >= following[bins]
    return bins
