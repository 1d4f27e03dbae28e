"""The scores of one metric at several numbers of training images, with their noise.

The runs of all sizes are evaluated on the same images, so the choice of these images moves all
sizes together. The covariance between the sizes keeps that. It is the jackknife's, over groups of
near-duplicates. The spread between seeds holds the luck of a training and of its subset.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from steelexp.comparison.ratios import Sums, influence, metric
from steelexp.counts import Values


class Observations(NamedTuple):
    """One metric at K sizes, of one class or over all classes.

    Attributes:
        images: Number of training images, [K], ascending.
        scores: Score of each run, [K, R]; a column has the runs of one seed.
        covariance: Covariance of the mean scores that the choice of the evaluated groups causes,
            [K, K].
    """

    images: Values
    scores: Values
    covariance: Values

    @property
    def means(self) -> Values:
        """Mean score of the runs of each size, [K]."""
        return np.asarray(self.scores.mean(axis=1))

    @property
    def seeds(self) -> int:
        """Number of runs of each size."""
        return len(self.scores[0])

    @property
    def scatter(self) -> Values:
        """Sum over the seeds of the products of their deviations from the means, [K, K]."""
        deviations = self.scores - self.means[:, None]
        return np.asarray(deviations @ deviations.T)

    @property
    def on_these_images(self) -> "Observations":
        """The same scores for whoever asks about the evaluated images alone, not others like them.

        The choice of these images is then no noise.
        """
        return self._replace(covariance=np.zeros_like(self.covariance))


def observations(images: Sequence[float], sizes: Sequence[Sums]) -> list[Observations | None]:
    """What the runs say of one metric, for every class and then over all classes.

    Args:
        images: Number of training images of each size, ascending.
        sizes: The runs of each size, of the same seeds and on the same groups.

    Returns:
        C + 1 entries; None where the metric is not defined, or one group alone holds the class.
    """
    scores = np.stack([metric(sums) for sums in sizes])  # [K, R, C + 1]
    mean_influence = np.stack([influence(sums).mean(axis=0) for sums in sizes])  # [K, G, C + 1]
    return [
        _observations(images, scores[..., c], mean_influence[..., c])
        for c in range(scores.shape[-1])
    ]


def _observations(
    images: Sequence[float], scores: Values, mean_influence: Values
) -> Observations | None:
    """The observations of one class; None where they are not defined.

    Args:
        images: Number of training images of each size.
        scores: [K, R].
        mean_influence: What each group adds to the mean score of each size, [K, G].
    """
    if not (np.isfinite(mean_influence).all() and np.isfinite(scores).all()):
        return None
    groups = mean_influence.shape[1]
    covariance = (groups - 1) / groups * mean_influence @ mean_influence.T
    return Observations(np.array(images, np.float64), scores, covariance)
