"""Metrics as ratios of sums over groups of near-duplicates.

Copies of one surface say the same thing again, so a group, not an image, is one observation. Every
metric is a sum over groups divided by another, A / B. The jackknife leaves out one group at a time:

    u_g = A / B - (A - a_g) / (B - b_g) = (a_g - A / B b_g) / (B - b_g)

is what group g adds to the metric, and (n - 1) / n sum u_g^2 is the variance that the choice of the
n groups gives it.

Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 11.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.counts import Counts, Values
from steelexp.metrics import divide_sums, ratio


class Sums(NamedTuple):
    """A metric before its division; R runs, G groups, C classes.

    Attributes:
        numerators: Sums of the numerators over each group, [R, G, C].
        denominators: Sums of the denominators, [R, G, C]; [1, G, C] where all runs share them.
        micro_average: True for a value over all classes that is one ratio over all (image, class)
            pairs; False for the mean over the classes (macro average).
    """

    numerators: Values
    denominators: Values
    micro_average: bool


def sums_of_runs(runs: Sequence[Counts], groups: npt.NDArray[np.int64], name: str) -> Sums:
    """One metric of several runs on the same images.

    Args:
        runs: Pixels of each run, [S, C].
        groups: [S] number of each image's group, from 0.
        name: Name of a metric of images.
    """
    each = [ratio(name, counts) for counts in runs]
    numerators = group_sums(np.stack([one.numerators for one in each]), groups)
    denominators = group_sums(np.stack([one.denominators for one in each]), groups)
    return Sums(numerators, denominators, each[0].micro_average)


def group_sums(values: npt.ArrayLike, groups: npt.NDArray[np.int64]) -> Values:
    """Sum over the images of each group, [..., S, C] -> [..., G, C].

    Args:
        values: [..., S, C] one figure per image and class.
        groups: [S] number of each image's group, from 0.
    """
    by_image = np.moveaxis(np.asarray(values, np.float64), -2, 0)  # [S, ..., C]
    sums = np.zeros((int(groups.max()) + 1, *by_image.shape[1:]))
    np.add.at(sums, groups, by_image)
    return np.moveaxis(sums, 0, -2)


def metric(sums: Sums) -> Values:
    """The metric of each run, [R, C + 1]: every class, then all; NaN where 0 / 0."""
    numerators, denominators = np.broadcast_arrays(
        sums.numerators.sum(axis=1), sums.denominators.sum(axis=1)
    )
    return divide_sums(numerators, denominators, micro_average=sums.micro_average)


def influence(sums: Sums) -> Values:
    """What each group adds to the metric of each run, [R, G, C + 1].

    NaN for a class that one group alone holds, since nothing is left without it.
    """
    each = _left_out(sums.numerators, sums.denominators)
    if sums.micro_average:
        totals = (part.sum(axis=-1, keepdims=True) for part in (sums.numerators, sums.denominators))
        overall = _left_out(*totals)
    else:
        occurs = sums.denominators.sum(axis=1).max(axis=0) > 0
        overall = each[..., occurs].mean(axis=-1, keepdims=True) if occurs.any() else each[..., :1]
    return np.concatenate([each, overall], axis=-1)


def shares(sums: Sums) -> Values:
    """Share of each group in the denominator of the first run, [G, C + 1]; NaN where it is 0."""
    denominators = sums.denominators[0]
    each = _ratio(denominators, denominators.sum(axis=0))
    overall = (
        denominators.sum(axis=-1) / max(denominators.sum(), 1.0)
        if sums.micro_average
        else _mean(each)
    )
    return np.concatenate([each, overall[:, None]], axis=-1)


def class_weights(sums: Sums) -> Values:
    """Weight of each class in the value over all classes, [C]; they add up to 1."""
    total = sums.denominators[0].sum(axis=0)
    weights = total if sums.micro_average else (total > 0).astype(np.float64)
    return np.asarray(weights / max(weights.sum(), 1.0))


def counted_groups(share: Values) -> npt.NDArray[np.int64]:
    """How many groups the metric rests on, [C + 1].

    Args:
        share: [G, C + 1] from `shares`.
    """
    return np.asarray((share > 0).sum(axis=0), np.int64)


def effective_groups(share: Values) -> Values:
    """How many groups of equal size tell as much, 1 / sum of the squared shares, [C + 1].

    Args:
        share: [G, C + 1] from `shares`.

    Source: Kish, Survey Sampling, 1965.
    """
    return _ratio(np.ones(share.shape[1]), (share**2).sum(axis=0))


def _left_out(numerators: Values, denominators: Values) -> Values:
    """What each group adds to a ratio, [R, G, C]."""
    total = denominators.sum(axis=1, keepdims=True)
    rest = np.where(total > denominators, total - denominators, np.nan)
    return np.asarray(
        (numerators - _ratio(numerators.sum(axis=1, keepdims=True), total) * denominators) / rest
    )


def _ratio(numerators: Values, denominators: Values) -> Values:
    return np.asarray(numerators / np.where(denominators == 0, np.nan, denominators))


def _mean(each: Values) -> Values:
    """Mean over the classes that are defined, [..., C] -> [...]."""
    defined = ~np.isnan(each)
    count = defined.sum(axis=-1).astype(np.float64)
    return _ratio(np.where(defined, each, 0.0).sum(axis=-1), count)
