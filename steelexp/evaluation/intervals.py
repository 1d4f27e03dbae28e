"""How sure a metric is, given the images it was measured on."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from steelexp.counts import Counts, Values
from steelexp.metric_names import class_names
from steelexp.metrics import ON_IMAGES, divided, ratio

DRAWS = 2000
LEVEL = 0.95
CHUNK = 200
"""Draws at a time: 200 of 12,000 groups are 19 MB."""


def intervals(
    counts: Counts, groups: npt.NDArray[np.int64], classes: Sequence[str]
) -> dict[str, tuple[float, float]]:
    """95 % intervals of every metric: percentiles of a bootstrap over groups of near-duplicates.

    A group is drawn with all its images, since copies of one surface say the same thing again. The
    network is taken as given: what another seed would do is not in it; both are in
    analysis/compare_strategies.py.

    Args:
        counts: [S, C] each.
        groups: [S].
        classes: [C] names.

    Returns:
        "dice_positive", "dice_positive/1", ... -> low, high; empty with fewer than two groups, and
        without a metric that is not defined.
    """
    numbers, place = np.unique(groups, return_inverse=True)
    if len(numbers) < 2:
        return {}
    found: dict[str, tuple[float, float]] = {}
    weights = _weights(len(numbers))
    for metric in ON_IMAGES:
        above, below, of_pairs = ratio(metric.name, counts)
        sums = [_by_group(part, place, len(numbers)) for part in (above, below)]  # [G, C] each
        drawn = [np.concatenate([w @ part for w in weights]) for part in sums]
        values = divided(drawn[0], drawn[1], of_pairs=of_pairs)  # [draws, C + 1]
        for label, column in zip(class_names(metric.name, classes), values.T, strict=True):
            defined = column[~np.isnan(column)]
            if len(defined):
                low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
                found[label] = (round(low, 6), round(high, 6))
    return found


def _weights(groups: int) -> list[npt.NDArray[np.float64]]:
    """How often each group is drawn: DRAWS / CHUNK arrays [CHUNK, G], the same at every call."""
    random = np.random.default_rng(0)
    equal = np.full(groups, 1 / groups)
    chunks = (random.multinomial(groups, equal, CHUNK) for _ in range(DRAWS // CHUNK))
    return [chunk.astype(np.float64) for chunk in chunks]


def _by_group(values: Values, place: npt.NDArray[np.int64], groups: int) -> Values:
    sums = np.zeros((groups, values.shape[1]))
    np.add.at(sums, place, values)
    return sums
