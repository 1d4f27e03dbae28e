"""What a study can show, from the spread of a pilot.

Studies are simulated from the runs of a pilot: groups of near-duplicates and runs are drawn with
replacement, a strategy gets a true difference, and the tests of `verdicts` are applied. The power
is the share of studies that call the difference in its direction.

A strategy with runs in the pilot scatters as they do, and suits some surfaces better than others,
as they do. Its mean is moved to the true difference. A strategy without runs scatters as the
baseline does. Drawing n runs with replacement makes their variance (n - 1) / n of what it is, so
their deviations are stretched by sqrt(n / (n - 1)).

The pilot's own spread is an estimate. With five runs, their standard deviation is known to about a
third.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from steelexp.comparison.differences import strategy
from steelexp.comparison.ratios import Sums, metric
from steelexp.comparison.verdicts import HIGHER, significance
from steelexp.counts import Values

FEWEST_RUNS: Final = 3
"""Runs of a pilot's strategy, below which nothing is known of its spread."""


def power(
    pilot: Mapping[str, Sums],
    baseline: str,
    family: Sequence[str],
    differences: Sequence[float],
    *,
    seeds: int,
    studies: int = 300,
    random: np.random.Generator,
) -> Values:
    """The share of studies that call a true difference of one strategy of a family.

    The first strategy of the family has the difference, and the others have none, which is the
    hardest case of Holm's correction.

    Args:
        pilot: Strategy -> its runs on the same images; the baseline is among them.
        baseline: Name of the baseline.
        family: Names of the strategies that are tested together.
        differences: True differences, above 0.
        seeds: Runs of each strategy.
        studies: Number of simulated studies for each difference.
        random: Generator of random numbers.

    Returns:
        Share of the studies, [len(differences)].
    """
    worlds = [_moved(pilot.get(name, pilot[baseline]), pilot[baseline]) for name in family]
    own = _moved(pilot[baseline], pilot[baseline])
    count = own.numerators.shape[1]
    called = np.zeros((studies, len(differences)))
    for study in range(studies):
        groups = random.integers(count, size=(count,))
        base = _resample(own, groups, seeds, random)
        others = [_resample(world, groups, seeds, random) for world in worlds]
        rest = [(strategy(each), each) for each in others[1:]]
        for place, value in enumerate(differences):
            first = _raised(others[0], value)
            tests = significance((strategy(base), base), [(strategy(first), first), *rest])
            called[study, place] = tests[0].verdicts[-1] == HIGHER
    return np.asarray(called.mean(axis=0))


def _moved(world: Sums, baseline: Sums) -> Sums:
    """A strategy whose mean over all runs is that of the baseline, class by class, [R, G, C]."""
    apart = metric(world).mean(axis=0) - metric(baseline).mean(axis=0)
    apart = np.where(np.isnan(apart), 0.0, apart)
    return world._replace(numerators=world.numerators - apart[:-1] * world.denominators)


def _resample(
    world: Sums, groups: npt.NDArray[np.int64], seeds: int, random: np.random.Generator
) -> Sums:
    """Runs of a strategy on some groups."""
    runs = len(world.numerators)
    places = random.integers(runs, size=(seeds,))
    mean = world.numerators.mean(axis=0)
    stretched = mean + np.sqrt(runs / (runs - 1)) * (world.numerators - mean)
    return world._replace(
        numerators=stretched[places][:, groups],
        denominators=np.broadcast_to(world.denominators[:1], world.numerators.shape)[:1][:, groups],
    )


def _raised(world: Sums, difference: float) -> Sums:
    return world._replace(numerators=world.numerators + difference * world.denominators)
