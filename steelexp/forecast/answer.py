"""The number of training images until a target, or why the data cannot say."""

from typing import Final, NamedTuple

import numpy as np

from steelexp.counts import Values
from steelexp.forecast.observations import Observations
from steelexp.forecast.power_law import Curves, posterior_curves

LEVEL: Final = 0.9
"""Share of the curves that an interval holds."""

FARTHEST: Final = 4
"""Largest extrapolation, in multiples of the largest size."""

FEWEST_SIZES: Final = 4
"""A curve has three parts, and a fourth size is the first that can speak against it."""

FEWEST_SEEDS: Final = 2
"""Runs of each size, without which the spread of a training is unknown."""


class Interval(NamedTuple):
    """Median of the curves, and the interval that holds `LEVEL` of them.

    Attributes:
        median: Median.
        low: Lower bound.
        high: Upper bound; infinite where it is open.
    """

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3f} ({self.low:.3f} to {self.high:.3f})"


class Answer(NamedTuple):
    """What the curves say about a target.

    Attributes:
        images: Number of training images with the target; None if there is a refusal.
        refusal: Why the data cannot say; "" with an answer.
    """

    images: Interval | None
    refusal: str


def interval(values: Values) -> Interval:
    """Median and interval of what each curve says."""
    low, median, high = np.quantile(
        values, [(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2], method="nearest"
    ).tolist()
    return Interval(median, low, high)


def curves_of(data: Observations) -> Curves:
    """Curves through the observations; the same observations give the same curves."""
    return posterior_curves(data, np.random.default_rng(0))


def answer(data: Observations, curves: Curves, target: float) -> Answer:
    """The number of training images until a target, or why the data cannot say.

    Args:
        data: Scores of the sizes.
        curves: Curves through them.
        target: Score to reach.
    """
    if refusal := _refusal(data, curves, target):
        return Answer(None, refusal)
    images = interval(curves.images_for(target))
    farthest = FARTHEST * curves.largest
    return Answer(images._replace(high=images.high if images.high <= farthest else np.inf), "")


def _refusal(data: Observations, curves: Curves, target: float) -> str:
    """Why the data cannot say; "" where they can."""
    now = interval(curves.score)
    if now.median >= target:
        return f"reached already: {now} with {curves.largest:,.0f} training images"
    if not rises(data):
        return "no upward trend: what there is may be noise of seeds and evaluated images"
    limit = interval(curves.limit)
    if limit.high < target:
        return f"above what more images approach: {limit}"
    far = FARTHEST * curves.largest
    if interval(curves.images_for(target)).median > far:
        return (
            f"farther than {FARTHEST} times the largest size: {interval(curves.at(far))} with "
            f"{far:,.0f} training images"
        )
    return ""


def rises(data: Observations) -> bool:
    """Whether the scores rise with the logarithm of the size, by a one-sided test at 5 %.

    The slope is that of generalised least squares. Its error has the noise of the evaluated groups
    and of the seeds, whose variance is pooled over the sizes.
    """
    from scipy.special import stdtrit  # takes 0.1 s, and --help does not need it

    sizes = len(data.means)
    freedom = sizes * (data.seeds - 1)
    variance = np.trace(data.scatter) / freedom + 1e-12  # also of scores without any noise
    weights = np.linalg.inv(data.covariance + variance / data.seeds * np.eye(sizes))
    line = np.stack([np.ones_like(data.images), np.log(data.images)], axis=1)  # [K, 2]
    error = np.linalg.inv(line.T @ weights @ line)
    slope = (error @ line.T @ weights @ data.means)[1]
    return bool(slope > stdtrit(freedom, LEVEL / 2 + 0.5) * np.sqrt(error[1, 1]))
