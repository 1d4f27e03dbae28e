"""95 % confidence intervals of the metrics of one network, over the choice of test images.

The method is a jackknife over groups of near-duplicates with Student's t. Before it, two
pseudo-groups are added: one scores 0, the other scores 1. The denominator of each is the root mean
square of the groups' denominators.

The degrees of freedom are the effective number of groups less one. That number follows from the
shares of the groups in the denominator, or in the numerator, whichever gives less.

The pseudo-groups are needed because scores between 0 and 1 are skewed. A network that misses one
defect in ten may miss none on ten test images. Without pseudo-groups the interval is then narrow
and lies numerators the true metric. docs/statistics.md compares the methods, with the figures of
`benchmarks/interval_coverage.py`.

Source: Agresti and Coull add pseudo-observations to shares in the same way, The American
Statistician 52:119, 1998.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.comparison.ratios import (
    Sums,
    counted_groups,
    effective_groups,
    influence,
    metric,
    shares,
    sums_of_runs,
)
from steelexp.counts import Counts, Values
from steelexp.metric_names import class_names
from steelexp.metrics import ON_IMAGES

LEVEL: Final = 0.95
"""Confidence level."""

MIN_GROUPS: Final = 5
"""Minimum number of groups. With fewer, an interval spans most of the scale from 0 to 1."""


class MetricIntervals(NamedTuple):
    """Intervals of every metric, per class ("dice_positive/1") and over all ("dice_positive").

    Attributes:
        bounds: Name of a metric -> lower and upper bound.
        missing: Name of a metric without an interval -> reason.
    """

    bounds: dict[str, tuple[float, float]]
    missing: dict[str, str]


def metric_intervals(
    counts: Counts, groups: npt.NDArray[np.int64], classes: Sequence[str]
) -> MetricIntervals:
    """95 % intervals of every metric of one run.

    Args:
        counts: Pixels of each image and class, [S, C] each.
        groups: [S] number of each image's group of near-duplicates.
        classes: [C] names.

    Returns:
        Bounds and reasons. A metric that is not defined, 0 / 0, has neither.
    """
    group_numbers = np.unique(groups, return_inverse=True)[1]  # [S], from 0 without gaps
    bounds: dict[str, tuple[float, float]] = {}
    missing: dict[str, str] = {}
    for entry in ON_IMAGES:
        sums = sums_of_runs([counts], group_numbers, entry.name)
        columns = zip(
            class_names(entry.name, classes),
            metric(sums)[0].tolist(),
            *(bound.tolist() for bound in interval(sums)),
            missing_reasons(sums, classes),
            strict=True,
        )
        for label, value, low, high, reason in columns:
            if reason and not np.isnan(value):
                missing[label] = reason
            elif not reason:
                bounds[label] = (round(low, 6), round(high, 6))
    return MetricIntervals(bounds, missing)


def interval(sums: Sums) -> tuple[Values, Values]:
    """Lower and upper bounds of one metric, [C + 1] each: every class, then over all classes.

    Both are NaN where `missing_reasons` has a reason.

    Args:
        sums: Sums of one run, for a metric from 0 to 1.
    """
    from scipy.special import stdtrit  # takes 0.1 s, and --help does not need it

    padded = _with_pseudo_groups(sums)
    share = shares(padded)
    group_count = counted_groups(share)
    effective = np.fmin(
        effective_groups(share),
        effective_groups(shares(padded._replace(denominators=padded.numerators))),
    )
    degrees_of_freedom = np.maximum(effective - 1, 1.0)
    squares = (influence(padded)[0] ** 2).sum(axis=0)
    variance = (group_count - 1) / np.maximum(group_count, 1) * squares
    half_width = stdtrit(degrees_of_freedom, (1 + LEVEL) / 2) * np.sqrt(variance)
    value = metric(padded)[0]
    reasons = missing_reasons(sums, range(len(value) - 1))
    value = np.where([reason != "" for reason in reasons], np.nan, value)
    return np.clip(value - half_width, 0.0, 1.0), np.clip(value + half_width, 0.0, 1.0)


def missing_reasons(sums: Sums, classes: Sequence[object]) -> list[str]:
    """Reasons why an interval is missing, [C + 1]; "" where there is an interval.

    Args:
        sums: Sums of one run.
        classes: [C] names.
    """
    groups = counted_groups(shares(sums)).tolist()
    reasons = [_too_few_groups(count) for count in groups]
    few = [str(name) for name, reason in zip(classes, reasons, strict=False) if reason]
    if few and not sums.micro_average:
        reasons[-1] = f"too few groups of near-duplicates count for class {', '.join(few)}"
    return reasons


def _too_few_groups(groups: int) -> str:
    """Reason against an interval from so few groups; "" if they are enough."""
    if groups >= MIN_GROUPS:
        return ""
    noun = "group" if groups == 1 else "groups"
    return f"{groups} {noun} of near-duplicates count, {MIN_GROUPS} are needed"


def _with_pseudo_groups(sums: Sums) -> Sums:
    """Append a group that scores 0 and one that scores 1, [1, G, C] -> [1, G + 2, C]."""
    denominators = sums.denominators[:1]
    group_count = np.maximum((denominators > 0).sum(axis=1, keepdims=True), 1)
    weight = np.sqrt((denominators**2).sum(axis=1, keepdims=True) / group_count)  # [1, 1, C]
    return Sums(
        np.concatenate([sums.numerators[:1], np.zeros_like(weight), weight], axis=1),
        np.concatenate([denominators, weight, weight], axis=1),
        sums.micro_average,
    )
