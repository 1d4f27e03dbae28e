"""From scores to masks: a threshold for each class, tuned where nothing is reported.

A score of 0.5 is no natural border: Dice losses push scores to 0 and 1, focal loss holds those of
defects down. So the thresholds are chosen on the tune strips and applied to the test strips.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.evaluation.counts import Counts, Pixels, dice

METRIC = "dice_kaggle"
"""What the thresholds make large: the mean over all strips, so that false alarms cost."""

GRID = tuple(number / 100 for number in range(1, 100))


class Scores(NamedTuple):
    """How many pixels have which score, per strip and class.

    A pixel is in bin k where k of the thresholds are not above its score.

    Attributes:
        thresholds: [K], ascending.
        labelled: [S, C, K + 1] pixels that the class is on.
        other: [S, C, K + 1] pixels that it is not on.
    """

    thresholds: npt.NDArray[np.float64]
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


def grid_with(threshold: float) -> npt.NDArray[np.float64]:
    """0.01, 0.02, ... 0.99 and one more threshold, ascending."""
    return np.unique([*GRID, threshold])


def tuned_places(scores: Scores) -> npt.NDArray[np.int64]:
    """For each class where the threshold is that has the best mean Dice on the strips.

    Dice of a strip is 1 where truth and prediction are empty. Of equals the one nearest to 0.5.

    Args:
        scores: of the tune strips.

    Returns:
        [C].
    """
    found = np.stack(  # [K, C]
        [dice(scores.at(np.array(k))).mean(axis=0) for k in range(len(scores.thresholds))]
    )
    from_half = np.abs(scores.thresholds - 0.5)
    best = [np.lexsort((from_half, -column)) for column in np.round(found, 12).T]
    return np.array([order[0] for order in best])
