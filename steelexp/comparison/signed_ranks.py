"""Wilcoxon's signed ranks of paired groups, and Holm's correction for several comparisons."""

from typing import Final, NamedTuple

import numpy as np

from steelexp.comparison.ratios import Sums
from steelexp.counts import Values

DIGITS: Final = 12  # differences that are equal but for rounding are equal


class SignedRanks(NamedTuple):
    """Outcome of the signed-rank test.

    Attributes:
        p: Two-sided p of differences that lie as often, and as far, above zero as below.
        effect: Matched-pairs rank-biserial correlation, from -1 (all below) to 1 (all above).
        groups: Number of differences, zeros among them.
    """

    p: float
    effect: float
    groups: int


def group_differences(one: Sums, other: Sums) -> Values:
    """`one` minus `other` on each group, mean over runs and over the images of the group.

    Args:
        one: Metric of a strategy.
        other: Metric of another on the same images.

    Returns:
        [G, C + 1]: NaN where no image of the group counts. The last column is the mean over the
        classes that count in the group.
    """
    denominators = other.denominators[0]
    counts = denominators > 0
    apart = one.numerators.mean(axis=0) - other.numerators.mean(axis=0)
    each = apart / np.where(counts, denominators, np.nan)  # [G, C]
    number = counts.sum(axis=1)
    overall = np.where(counts, each, 0.0).sum(axis=1) / np.where(number > 0, number, np.nan)
    return np.concatenate([each, overall[:, None]], axis=1)


def signed_ranks(differences: Values) -> SignedRanks:
    """Rank the differences by their size; weigh those above zero against those below.

    effect = (sum of ranks above - sum of ranks below) / sum of all ranks. Zeros are left out; ties
    share the mean of their ranks. Up to 50 differences without ties or zeros the p is exact.

    Args:
        differences: [G] one per group; NaNs are ignored.

    Source: Wilcoxon, Biometrics Bulletin 1:80, 1945; Kerby, Comprehensive Psychology 3:11, 2014.
    """
    from scipy import stats  # 0.5 s that --help need not pay

    defined = np.round(differences[~np.isnan(differences)], DIGITS)
    unequal = defined[defined != 0]
    if not len(unequal):
        return SignedRanks(1.0 if len(defined) else float("nan"), 0.0, len(defined))
    ranks = stats.rankdata(np.abs(unequal))
    effect = float((ranks * np.sign(unequal)).sum() / ranks.sum())
    return SignedRanks(float(stats.wilcoxon(unequal).pvalue), effect, len(defined))


def holm(p: Values) -> Values:
    """Correct the p values of a family of tests for their number.

    The i-th smallest of n, from 0, is multiplied by n - i. None comes out below a smaller one, and
    none above 1. NaNs are not counted and stay.

    Args:
        p: [n].

    Returns:
        [n].

    Source: Holm, Scandinavian Journal of Statistics 6:65, 1979.
    """
    order = np.argsort(p)  # NaNs last
    tests = int((~np.isnan(p)).sum())
    order = order[:tests]
    corrected = np.full(len(p), np.nan)
    steps = p[order] * np.arange(tests, 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected
