"""Metrics over the images of all folds, each image scored by a network that did not train on it.

The pixels of all folds are counted together, as for any other metric of images, so a fold without
a class does no harm. Two things are said of the spread:

    interval     over groups of near-duplicates, and over seeds where there are several
    folds        the metric within each fold, and its standard deviation between folds

The spread between folds is no standard error: the networks share most of their training images
(Bengio and Grandvalet, JMLR 5:1089, 2004). It shows whether one fold stands out.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from steelexp.comparison.differences import mean_interval, strategy
from steelexp.comparison.intervals import interval
from steelexp.comparison.ratios import metric, sums_of_runs
from steelexp.counts import Counts
from steelexp.metric_names import class_names
from steelexp.metrics import ON_IMAGES
from steelexp.records.folds_file import PooledMetric

Rows = npt.NDArray[np.int64]
DIGITS = 6


def pooled_metrics(
    seeds: Sequence[Counts], groups: Rows, folds: Rows, classes: Sequence[str]
) -> dict[str, PooledMetric]:
    """Every metric of images, over all classes and per class; undefined ones are left out.

    Args:
        seeds: Pixels of each seed on the same images, [S, C] each.
        groups: [S] group of near-duplicates of each image.
        folds: [S] fold of each image, from 0.
        classes: Names of the classes, [C].
    """
    numbers = np.unique(groups, return_inverse=True)[1].ravel()
    pooled: dict[str, PooledMetric] = {}
    for entry in ON_IMAGES:
        sums = sums_of_runs(seeds, numbers, entry.name)
        of_seeds = metric(sums)  # [R, C + 1]
        of_folds = np.stack(
            [
                metric(sums_of_runs(_on(seeds, folds == fold), numbers[folds == fold], entry.name))
                for fold in range(int(folds.max()) + 1)
            ]
        ).mean(axis=1)  # [K, C + 1]
        low, high = mean_interval(strategy(sums)) if len(seeds) > 1 else interval(sums)
        for column, name in enumerate(class_names(entry.name, classes)):
            if np.isnan(of_seeds[:, column]).any():
                continue
            pooled[name] = PooledMetric(
                value=_rounded(of_seeds[:, column].mean()) or 0.0,
                low=_rounded(low[column]),
                high=_rounded(high[column]),
                seeds=[_rounded(value) for value in of_seeds[:, column]],
                folds=[_rounded(value) for value in of_folds[:, column]],
                fold_spread=_spread(of_folds[:, column]),
            )
    return pooled


def _on(seeds: Sequence[Counts], images: npt.NDArray[np.bool_]) -> list[Counts]:
    return [Counts(*(pixels[images] for pixels in counts)) for counts in seeds]


def _spread(values: npt.NDArray[np.float64]) -> float | None:
    defined = values[~np.isnan(values)]
    return _rounded(defined.std(ddof=1)) if len(defined) > 1 else None


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), DIGITS)
