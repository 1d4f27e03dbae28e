"""How much higher one strategy scores than another, with a 95 % interval.

Two choices stand between a measured difference and the true one: which surfaces are in the test
set, and which seeds were trained.

    groups   jackknife over the groups of near-duplicates, of the means over runs, paired
    seeds    variance of each strategy's runs, divided by their number

Both hold the noise of a run on a group, so that it would count twice; the interaction of runs and
groups estimates it and is subtracted once (Owen, Annals of Applied Statistics 1:386, 2007):

    variance = groups + seeds - interaction, at least groups and at least seeds

Each part has a Student's t of its own (Howe, JASA 69:789, 1974): effective groups less one degrees
of freedom for the groups, Welch's for the seeds.

    interval = difference -+ sqrt((t_groups^2 groups + t_seeds^2 seeds) share)
    share = variance / (groups + seeds)

Over all classes the seeds' variance is at least what independent classes would give. Two runs that
each lose another class have the same mean, and would otherwise look as if seeds did not matter.

With a single run on either side nothing is known of the seeds. The interval is then that of these
networks on other images, and says nothing of the strategies.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.comparison.intervals import LEVEL
from steelexp.comparison.ratios import (
    Sums,
    class_weights,
    counted_groups,
    effective_groups,
    influence,
    metric,
    shares,
)
from steelexp.counts import Values

FEWEST_EFFECTIVE: Final = 2.0
"""Effective groups; below them a variance between groups has no meaning."""
LEAST_P: Final = 1e-12
HALVINGS: Final = 45


class Strategy(NamedTuple):
    """The runs of one spec on the same images, [C + 1] columns: every class, then all.

    Attributes:
        values: [R, C + 1] metric of each run.
        influence: [G, C + 1] what each group adds to the mean over runs.
        groups: [C + 1] number of groups that count.
        effective: [C + 1] effective number of groups.
        seeds: [C + 1] variance of the mean over runs, from the seeds; NaN with one run.
        interaction: [C + 1] the part of it that is noise of a run on a group; NaN with one run.
    """

    values: Values
    influence: Values
    groups: npt.NDArray[np.int64]
    effective: Values
    seeds: Values
    interaction: Values

    @property
    def runs(self) -> int:
        """Number of runs."""
        return len(self.values)

    @property
    def mean(self) -> Values:
        """[C + 1] over the runs; NaN for a class that no image holds."""
        return np.asarray(self.values.mean(axis=0))


class Difference(NamedTuple):
    """One strategy minus another, [C + 1] each; NaN where undefined.

    Attributes:
        value: Difference of the means over runs.
        low: Lower end of the 95 % interval.
        high: Upper end.
        group_error: Standard error from the choice of surfaces.
        seed_error: Standard error from the seeds; NaN where one of the two has a single run.
    """

    value: Values
    low: Values
    high: Values
    group_error: Values
    seed_error: Values


def strategy(sums: Sums) -> Strategy:
    """Sum up the runs of one strategy."""
    values = metric(sums)
    each = influence(sums)
    share = shares(sums)
    groups = counted_groups(share)
    runs = len(values)
    seeds = interaction = np.full(values.shape[1], np.nan)
    if runs > 1:
        seeds = values.var(axis=0, ddof=1) / runs
        independent = np.nansum(class_weights(sums) ** 2 * seeds[:-1])
        seeds[-1] = max(seeds[-1], independent)
        apart = each - each.mean(axis=0)
        apart = apart - apart.mean(axis=1, keepdims=True)
        squares = (apart**2).sum(axis=(0, 1)) / (runs * (runs - 1))
        interaction = squares * _jackknife_factor(groups)
    mean = np.asarray(each.mean(axis=0))
    return Strategy(values, mean, groups, effective_groups(share), seeds, interaction)


def difference(one: Strategy, other: Strategy) -> Difference:
    """How much higher `one` scores than `other` on the same images."""
    value = one.mean - other.mean
    parts = _parts(one, other)
    half = parts.half_width(1 - LEVEL)
    return Difference(
        value,
        value - half,
        value + half,
        np.sqrt(parts.groups),
        np.sqrt(parts.seeds if min(one.runs, other.runs) > 1 else np.full(len(value), np.nan)),
    )


def mean_interval(one: Strategy) -> tuple[Values, Values]:
    """95 % interval of the mean over runs, with other seeds and on other images, [C + 1] each.

    The parts are those of the difference from a strategy that always scores 0. Ends are cut at 0
    and 1. With a single run the interval knows nothing of the seeds.
    """
    nothing = one._replace(
        values=one.values * 0,
        influence=one.influence * 0,
        seeds=one.seeds * 0,
        interaction=one.interaction * 0,
    )
    _, low, high, _, _ = difference(one, nothing)
    return np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0)


class _Parts(NamedTuple):
    """Variance of a difference, [C + 1] each, with degrees of freedom."""

    groups: Values
    groups_freedom: Values
    seeds: Values
    seeds_freedom: Values
    share: Values

    def half_width(self, p: Values | float) -> Values:
        """Half the interval at level 1 - p."""
        from scipy.special import stdtrit  # 0.1 s that --help need not pay

        by_groups = stdtrit(self.groups_freedom, np.asarray(p) / 2) ** 2 * self.groups
        by_seeds = stdtrit(self.seeds_freedom, np.asarray(p) / 2) ** 2 * self.seeds
        return np.asarray(np.sqrt((by_groups + by_seeds) * self.share))


def _parts(one: Strategy, other: Strategy) -> _Parts:
    effective = np.where(one.effective < FEWEST_EFFECTIVE, np.nan, one.effective)
    squares = ((one.influence - other.influence) ** 2).sum(axis=0)
    groups = np.where(np.isnan(effective), np.nan, squares * _jackknife_factor(one.groups))
    if min(one.runs, other.runs) == 1:
        seeds = interaction = np.zeros_like(groups)
        freedom = np.ones_like(groups)
    else:
        seeds = one.seeds + other.seeds
        interaction = one.interaction + other.interaction
        spread = one.seeds**2 / (one.runs - 1) + other.seeds**2 / (other.runs - 1)
        freedom = np.where(spread > 0, seeds**2 / np.where(spread > 0, spread, 1.0), 1.0)
    both = groups + seeds
    variance = np.maximum.reduce([groups, seeds, both - interaction])
    share = np.where(both > 0, variance / np.where(both > 0, both, 1.0), 0.0)
    return _Parts(groups, effective - 1, seeds, freedom, share)


def p_value(one: Strategy, other: Strategy) -> Values:
    """Two-sided p of no difference, [C + 1]: the interval at level 1 - p just reaches zero.

    NaN where one of the two has a single run, since nothing is known of the seeds.
    """
    if min(one.runs, other.runs) == 1:
        return np.full(len(one.mean), np.nan)
    size = np.abs(one.mean - other.mean)
    parts = _parts(one, other)
    low = np.full(size.shape, LEAST_P)
    high = np.ones(size.shape)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        wider = parts.half_width(middle) > size
        low = np.where(wider, middle, low)
        high = np.where(wider, high, middle)
    p = np.where(size == 0, 1.0, high)
    return np.asarray(np.where(np.isnan(parts.groups), np.nan, p))


def _jackknife_factor(groups: npt.NDArray[np.int64]) -> Values:
    return np.asarray((groups - 1) / np.maximum(groups, 1), np.float64)
