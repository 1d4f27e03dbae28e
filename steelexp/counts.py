"""True and false pixels per image and class, from which every metric of images follows."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]


class Counts(NamedTuple):
    """Pixels per image and class, [S, C] each.

    Attributes:
        tp: True positives, labelled and predicted.
        fp: False positives, predicted only.
        fn: False negatives, labelled only.
    """

    tp: Pixels
    fp: Pixels
    fn: Pixels

    @property
    def labelled(self) -> npt.NDArray[np.bool_]:
        """Whether the image holds the class, [S, C]."""
        return np.asarray(self.tp + self.fn > 0)


def dice(counts: Counts) -> Values:
    """Dice of each image and class, 2 tp / (2 tp + fp + fn); 1 where both are empty. [S, C]."""
    total = 2 * counts.tp + counts.fp + counts.fn
    return np.where(total == 0, 1.0, 2 * counts.tp / np.maximum(total, 1))
