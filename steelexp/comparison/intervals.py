"""95 % intervals of one network's metrics: what another choice of images would give.

Two pseudo-groups are added, one that scores 0 and one that scores 1, each as heavy as the root mean
square of the groups. The jackknife over groups then has Student's t, at the effective number of
groups less one degrees of freedom: that of the denominators or of the numerators, the smaller.

Scores between 0 and 1 are skewed: ten images may show no defect that is missed, where one in ten
is. Without the pseudo-groups the interval then lies above the truth and is narrow.
`benchmarks/interval_coverage.py` compares the methods, docs/statistics.md gives the figures.

Source: the pseudo-groups are those of Agresti and Coull for shares, The American Statistician
52:119, 1998.
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
FEWEST_GROUPS: Final = 5
"""With fewer an interval spans most of the scale from 0 to 1."""


class MetricIntervals(NamedTuple):
    """The intervals of every metric, named without the part of the split.

    Attributes:
        ends: "dice_positive/1", "dice_positive", ... -> lower and upper end.
        missing: Name of a metric without an interval -> the reason.
    """

    ends: dict[str, tuple[float, float]]
    missing: dict[str, str]


def metric_intervals(
    counts: Counts, groups: npt.NDArray[np.int64], classes: Sequence[str]
) -> MetricIntervals:
    """95 % intervals of every metric of one run.

    Args:
        counts: [S, C] pixels.
        groups: [S] number of each image's group of near-duplicates.
        classes: [C] names.

    Returns:
        Intervals and reasons; a metric that is not defined has neither.
    """
    numbers = np.unique(groups, return_inverse=True)[1]
    ends, missing = {}, {}
    for entry in ON_IMAGES:
        sums = sums_of_runs([counts], numbers, entry.name)
        columns = zip(
            class_names(entry.name, classes),
            metric(sums)[0].tolist(),
            *(end.tolist() for end in interval(sums)),
            no_interval(sums, classes),
            strict=True,
        )
        for label, value, low, high, reason in columns:
            if reason and not np.isnan(value):
                missing[label] = reason
            elif not reason:
                ends[label] = (round(low, 6), round(high, 6))
    return MetricIntervals(ends, missing)


def interval(sums: Sums) -> tuple[Values, Values]:
    """Lower and upper ends, [C + 1] each: every class, then all; NaN where `no_interval` says why.

    Args:
        sums: Metric of one run, of values from 0 to 1.
    """
    from scipy.special import stdtrit  # 0.1 s that --help need not pay

    padded = _with_pseudo_groups(sums)
    share = shares(padded)
    groups = counted_groups(share)
    effective = np.fmin(
        effective_groups(share), effective_groups(shares(padded._replace(below=padded.above)))
    )
    freedom = np.maximum(effective - 1, 1.0)
    squares = (influence(padded)[0] ** 2).sum(axis=0)
    half = stdtrit(freedom, (1 + LEVEL) / 2) * np.sqrt(
        (groups - 1) / np.maximum(groups, 1) * squares
    )
    value = metric(padded)[0]
    none = np.array([bool(reason) for reason in no_interval(sums, range(len(value) - 1))])
    low, high = (np.clip(np.where(none, np.nan, value + end), 0.0, 1.0) for end in (-half, half))
    return low, high


def no_interval(sums: Sums, classes: Sequence[object]) -> list[str]:
    """Why there is no interval, [C + 1]; "" where there is one.

    Args:
        sums: Metric of one run.
        classes: [C] names.
    """
    groups = counted_groups(shares(sums)).tolist()
    reasons = [_too_few(count) for count in groups]
    few = [str(name) for name, reason in zip(classes, reasons, strict=False) if reason]
    if few and not sums.of_pairs:
        reasons[-1] = f"too few groups of near-duplicates count for class {', '.join(few)}"
    return reasons


def _too_few(groups: int) -> str:
    if groups >= FEWEST_GROUPS:
        return ""
    noun = "group" if groups == 1 else "groups"
    return f"{groups} {noun} of near-duplicates count, {FEWEST_GROUPS} are needed"


def _with_pseudo_groups(sums: Sums) -> Sums:
    """The sums with a group that scores 0 and one that scores 1, [1, G + 2, C]."""
    below = sums.below[:1]
    counts = np.maximum((below > 0).sum(axis=1, keepdims=True), 1)
    weight = np.sqrt((below**2).sum(axis=1, keepdims=True) / counts)  # [1, 1, C]
    return Sums(
        np.concatenate([sums.above[:1], np.zeros_like(weight), weight], axis=1),
        np.concatenate([below, weight, weight], axis=1),
        sums.of_pairs,
    )
