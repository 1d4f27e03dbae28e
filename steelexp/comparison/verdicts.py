"""Whether a strategy is called higher or lower than the baseline.

It is where two tests agree, each corrected by Holm over its family: the strategies on all classes,
and the strategies on each single class. The p of the interval asks whether the strategies differ,
with seeds and surfaces allowed for. Wilcoxon's signed ranks ask whether the surfaces side with one
of them rather than a few large differences. Signed ranks alone take the trained networks as fixed:
two sets of seeds of one strategy then "differ" far more often than 5 % of the time.

A strategy or a baseline with one run gets no verdict, since nothing is known of its seeds.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from steelexp.comparison.differences import Strategy, p_value
from steelexp.comparison.ratios import Sums
from steelexp.comparison.signed_ranks import SignedRanks, group_differences, holm, signed_ranks
from steelexp.counts import Values

ALPHA: Final = 0.05
HIGHER: Final = "higher"
LOWER: Final = "lower"
NOT_SHOWN: Final = "no difference shown"


class Significance(NamedTuple):
    """The tests of one strategy against the baseline, [C + 1] each; NaN where undefined.

    Attributes:
        p: p of the interval.
        p_holm: p, corrected by Holm.
        ranks: Signed ranks of the groups.
        ranks_holm: Their p, corrected.
        verdicts: "higher", "lower" or "no difference shown"; "" where nothing was tested.
    """

    p: Values
    p_holm: Values
    ranks: list[SignedRanks]
    ranks_holm: Values
    verdicts: list[str]


def significance(
    baseline: tuple[Strategy, Sums], others: Sequence[tuple[Strategy, Sums]]
) -> list[Significance]:
    """Test every strategy against the baseline.

    Args:
        baseline: Its runs and their sums.
        others: Runs and sums of each strategy.
    """
    if not others:
        return []
    p = np.array([p_value(one, baseline[0]) for one, _ in others])  # [K, C + 1]
    ranks = [
        [signed_ranks(column) for column in group_differences(sums, baseline[1]).T]
        for _, sums in others
    ]
    ranks_p = np.array([[each.p for each in row] for row in ranks])
    p_holm = _by_family(p)
    ranks_holm = _by_family(np.where(np.isnan(p), np.nan, ranks_p))
    return [
        Significance(p[k], p_holm[k], ranks[k], ranks_holm[k], _verdicts(one, baseline[0], *pair))
        for k, ((one, _), pair) in enumerate(
            zip(others, zip(p_holm, ranks_holm, ranks, strict=True), strict=True)
        )
    ]


def _by_family(p: Values) -> Values:
    """Correct within two families: all classes, and each class; [K, C + 1]."""
    classes = holm(p[:, :-1].ravel()).reshape(len(p), -1)
    return np.concatenate([classes, holm(p[:, -1])[:, None]], axis=1)


def _verdicts(
    one: Strategy,
    baseline: Strategy,
    p_holm: Values,
    ranks_holm: Values,
    ranks: Sequence[SignedRanks],
) -> list[str]:
    change = one.mean - baseline.mean
    agree = change * np.array([each.effect for each in ranks]) > 0
    significant = (np.maximum(p_holm, ranks_holm) <= ALPHA) & agree
    untested = np.isnan(p_holm) | np.isnan(ranks_holm)
    words = np.where(significant, np.where(change > 0, HIGHER, LOWER), NOT_SHOWN)
    return [str(word) for word in np.where(untested, "", words)]
