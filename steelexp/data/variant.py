"""Variants of a data set: without copies, or with a longer tail in training."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from steelexp.data.fold import Fold, Rows
from steelexp.data.strips import Bits, DataError, Strips, digest


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


def first_of_each(groups: Rows) -> Rows:
    """Of each group of near-duplicates its first strip; ascending strip numbers."""
    return np.sort(np.unique(groups, return_index=True)[1])


def long_tailed(
    strips: Strips, groups: Rows, fold: Fold, keep: Mapping[str, float], *, seed: int
) -> Fold:
    """The fold with rarer classes in training; what is judged stays as it was.

    Of a class that `keep` names, round(share * training groups that hold it) groups of
    near-duplicates are left, drawn without replacement; others are taken out whole, with whatever
    else they hold. The class with the smallest share is thinned first, so a class on the same
    strips may end below its share, never above. Only training is thinned, as is usual for
    long-tailed variants (Cui et al., CVPR 2019): a rare class is then judged on as many strips as
    before, and on the same ones whatever its share.

    Args:
        strips: the data set.
        groups: [S] group of near-duplicates of each strip.
        fold: strip numbers.
        keep: class name -> share of its groups.
        seed: seed of the draw.

    Raises:
        DataError: a class is unknown, or nothing is left to train on.
    """
    unknown = [name for name in keep if name not in strips.classes]
    if unknown:
        raise DataError(
            f"data.keep: there is no class {', '.join(unknown)}; classes: "
            f"{', '.join(strips.classes)}"
        )
    draw = np.random.default_rng(seed)
    rows = fold.train
    for name in sorted(keep, key=lambda name: (keep[name], strips.classes.index(name))):
        holds = strips.pixels[:, strips.classes.index(name)] > 0
        every = np.unique(groups[fold.train[holds[fold.train]]])
        present = np.unique(groups[rows[holds[rows]]])
        surplus = len(present) - round(keep[name] * len(every))
        if surplus > 0:
            rows = rows[~np.isin(groups[rows], draw.choice(present, surplus, replace=False))]
    if not len(rows):
        raise DataError("data.keep: no strip is left to train on; keep a larger share")
    return fold._replace(train=rows)
