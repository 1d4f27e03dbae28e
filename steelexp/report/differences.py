"""Strategies on the same images: means per class, and differences with intervals.

A strategy's Dice of a class is a ratio, the sum over the images that hold the class over their
number. What the test set's surfaces leave open is its linearised standard error, near-duplicates
being one draw (Cochran, Sampling Techniques, 1977, 6.3):

    u_g = sum over images s of group g that hold the class of (d_s - mean) / n
    se_groups^2 = G / (G - 1) sum (u_g of the one - u_g of the other)^2        G groups hold it

What the seeds leave open is Welch's, of the means over runs. The interval takes both,

    difference -+ sqrt((t_groups se_groups)^2 + (t_runs se_runs)^2)

which counts the noise of a run on an image twice and is therefore rather too wide. With one run each
the seeds' part is unknown and left out, and the page says so.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
LEVEL: Final = 0.95


class Strategy(NamedTuple):
    """The runs of one name on the same images.

    Attributes:
        name: of the spec.
        runs: [R, C + 1] dice_positive of each run and class, the last over all classes.
        parts: [G, C + 1] u_g of the mean over runs.
        groups: [C + 1] how many groups hold the class.
    """

    name: str
    runs: Values
    parts: Values
    groups: npt.NDArray[np.int64]

    @property
    def mean(self) -> Values:
        """[C + 1]; NaN of a class that no image holds."""
        return np.asarray(self.runs.mean(axis=0))


class Difference(NamedTuple):
    """One strategy less another, [C + 1] each."""

    value: Values
    low: Values
    high: Values


def strategy(
    name: str, dice: Values, held: npt.NDArray[np.bool_], groups: npt.NDArray[np.int64]
) -> Strategy:
    """Sum up the runs of one strategy.

    Args:
        name: of the spec.
        dice: [R, S, C].
        held: [S, C] whether the image holds the class.
        groups: [S], near-duplicates share a number.
    """
    number = held.sum(axis=0)  # [C]
    below = np.where(number > 0, number, np.nan)
    runs = (dice * held).sum(axis=1) / below  # [R, C]
    apart = (dice.mean(axis=0) - runs.mean(axis=0)) * held / below  # [S, C]
    names, place = np.unique(groups, return_inverse=True)
    parts = np.zeros((len(names), held.shape[1]))
    np.add.at(parts, place, apart)
    occurs = number > 0
    holding = np.array([len(np.unique(groups[column])) for column in held.T], np.int64)
    together = len(np.unique(groups[held.any(axis=1)]))
    return Strategy(
        name,
        np.column_stack([runs, _mean(runs, occurs)]),
        np.column_stack([parts, _mean(parts, occurs)]),
        np.append(holding, together),
    )


def difference(one: Strategy, other: Strategy) -> Difference:
    """How much higher the one is; NaN for an interval that one group cannot give."""
    from scipy.special import stdtrit  # 0.1 s that --help need not pay

    value = one.mean - other.mean
    freedom = np.where(one.groups > 1, one.groups - 1, np.nan)
    spread = ((one.parts - other.parts) ** 2).sum(axis=0) * one.groups / freedom  # [C + 1]
    wide = stdtrit(freedom, (1 + LEVEL) / 2) ** 2 * spread
    if len(one.runs) > 1 and len(other.runs) > 1:
        mine, its = (each.runs.var(axis=0, ddof=1) / len(each.runs) for each in (one, other))
        with np.errstate(invalid="ignore", divide="ignore"):
            welch = (mine + its) ** 2 / (
                mine**2 / (len(one.runs) - 1) + its**2 / (len(other.runs) - 1)
            )
        seeds = stdtrit(np.nan_to_num(welch, nan=1.0), (1 + LEVEL) / 2) ** 2 * (mine + its)
        wide = wide + seeds
    half = np.sqrt(wide)
    return Difference(value, value - half, value + half)


def _mean(values: Values, occurs: npt.NDArray[np.bool_]) -> Values:
    """[..., C] -> [...], over the classes that occur."""
    if not occurs.any():
        return np.full(values.shape[:-1], np.nan)
    return np.asarray(values[..., occurs].mean(axis=-1))


def strategies(dice: Mapping[str, list[Any]], held: Any, groups: Any) -> list[Strategy]:
    """Every strategy, in the order of the mapping: name -> [S, C] of each run."""
    return [strategy(name, np.stack(each), held, groups) for name, each in dice.items()]
