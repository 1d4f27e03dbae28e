"""Variants of a data set: without copies, or with a longer tail."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import numpy.typing as npt

from steelexp.data.strips import Bits, DataError, Strips, digest

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Selection(Strips):
    """Some strips of a data set.

    Attributes:
        source: the whole set.
        rows: [S] strip numbers in it.
    """

    source: Strips
    rows: tuple[int, ...]

    def image(self, strip: int) -> npt.NDArray[np.uint8]:
        """A strip's grey, [H, W] uint8."""
        return self.source.image(self.rows[strip])

    def mask(self, strip: int) -> Bits:
        """A strip's labels, [H, W] uint8, bit c set where class c is."""
        return self.source.mask(self.rows[strip])


def select(strips: Strips, rows: Rows) -> Strips:
    """Some strips of a data set, in the order of `rows`; the set itself where that is all."""
    if np.array_equal(rows, np.arange(len(strips))):
        return strips
    numbers = tuple(rows.tolist())
    names = tuple(strips.names[row] for row in numbers)
    kept = {field.name: getattr(strips, field.name) for field in fields(Strips)} | {
        "names": names,
        "paths": tuple(strips.paths[row] for row in numbers),
        "sizes": strips.sizes[rows],
        "pixels": strips.pixels[rows],
        "read_mask": lambda strip: strips.read_mask(numbers[strip]),
        "manifest": digest([strips.manifest, *names]),
    }
    return Selection(**kept, source=strips, rows=numbers)


def variant(
    strips: Strips,
    groups: Rows,
    *,
    copies: Literal["all", "one"],
    keep: Mapping[str, float],
    seed: int,
) -> Rows:
    """Which strips of a data set a variant of it has.

    Of a class that `keep` names, round(share * groups that hold it) groups of near-duplicates are
    left, drawn without replacement; others are taken out whole, with whatever else they hold. The
    class with the smallest share is thinned first, so a class on the same strips may end below its
    share, never above.

    Args:
        strips: the data set.
        groups: [S] group of near-duplicates of each strip.
        copies: all, or of each group its first strip only.
        keep: class name -> share of its groups.
        seed: seed of the draw.

    Returns:
        Strip numbers, ascending.

    Raises:
        DataError: a class is unknown, or nothing is left.
    """
    unknown = [name for name in keep if name not in strips.classes]
    if unknown:
        raise DataError(
            f"data.keep: there is no class {', '.join(unknown)}; classes: "
            f"{', '.join(strips.classes)}"
        )
    draw = np.random.default_rng(seed)
    left = np.ones(len(strips), bool)
    for name in sorted(keep, key=lambda name: (keep[name], strips.classes.index(name))):
        holds = strips.pixels[:, strips.classes.index(name)] > 0
        every, present = np.unique(groups[holds]), np.unique(groups[holds & left])
        surplus = len(present) - round(keep[name] * len(every))
        if surplus > 0:
            left &= ~np.isin(groups, draw.choice(present, surplus, replace=False))
    if copies == "one":
        first = np.unique(groups, return_index=True)[1]
        left &= np.isin(np.arange(len(strips)), first)
    if not left.any():
        raise DataError("data.keep: no strip is left; keep a larger share")
    return np.flatnonzero(left)
