"""Wilcoxon's signed ranks on paired images, and Holm's correction for several comparisons."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

from analysis.strategies.paired_bootstrap import Sums

Values = npt.NDArray[np.float64]

DIGITS: Final = 12  # differences that are equal but for rounding are equal


class SignedRanks(NamedTuple):
    """What the ranks of the differences say.

    Attributes:
        p: of differences as often, and as far, above zero as below; two-sided.
        effect: matched-pairs rank-biserial correlation, from -1 (all below) to 1 (all above).
        groups: how many there were, zeros among them.
    """

    p: float
    effect: float
    groups: int


def group_differences(baseline: Sums, sums: Sums) -> Values:
    """Strategy less baseline on each group, mean over runs and over the images of the group.

    Args:
        baseline: `dice_positive` of the baseline.
        sums: of the strategy, on the same images.

    Returns:
        [G, C + 1]: NaN where no image of the group holds the class. The last column is the mean
        over the classes that the group holds.
    """
    below = np.where(baseline.below == 0, np.nan, baseline.below)
    each = (sums.above.mean(axis=0) - baseline.above.mean(axis=0)) / below  # [G, C]
    held = baseline.below > 0
    count = held.sum(axis=1)
    total = np.where(held, each, 0.0).sum(axis=1)
    overall = total / np.where(count == 0, np.nan, count)
    return np.concatenate([each, overall[:, None]], axis=1)


def signed_ranks(differences: Values) -> SignedRanks:
    """Rank the differences by their size and weigh those above zero against those below.

    effect = (sum of ranks above - sum of ranks below) / sum of all ranks; zeros are left out, of
    ties each has the mean rank. Up to 50 differences without ties or zeros the p is exact.

    Args:
        differences: of groups; NaNs are left out.

    Source: Wilcoxon, Biometrics Bulletin 1:80, 1945; Kerby, Comprehensive Psychology 3:11, 2014.
    """
    kept = np.round(differences[~np.isnan(differences)], DIGITS)
    moved = kept[kept != 0]
    if not len(moved):
        return SignedRanks(p=1.0 if len(kept) else float("nan"), effect=0.0, groups=len(kept))
    ranks = stats.rankdata(np.abs(moved))
    effect = float((ranks * np.sign(moved)).sum() / ranks.sum())
    return SignedRanks(float(stats.wilcoxon(moved).pvalue), effect, len(kept))


def holm(p: Values) -> Values:
    """Correct the p values of a family of tests so that no false alarm is likelier than the level.

    The i-th smallest of n, from 0, is multiplied by n - i; none may come out below a smaller one,
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
