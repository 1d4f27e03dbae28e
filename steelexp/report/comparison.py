"""Runs that were evaluated on the same images, strategy beside strategy."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.errors import UserError, reason
from steelexp.report.differences import Difference, Strategy, difference, strategies
from steelexp.report.runs import Run


class Pixels(NamedTuple):
    """What a run's image_scores.parquet says of the reported part.

    Attributes:
        images: [S] names.
        groups: [S] near-duplicates share a number.
        held: [S, C] whether the image holds the class.
        dice: [S, C].
    """

    images: tuple[str, ...]
    groups: npt.NDArray[np.int64]
    held: npt.NDArray[np.bool_]
    dice: npt.NDArray[np.float64]


class Comparison(NamedTuple):
    """Strategies on the same images.

    Attributes:
        title: of what.
        classes: names.
        runs: that are compared.
        strategies: by name; empty where the images could not be read.
        left_out: why a run is not among them.
    """

    title: str
    classes: tuple[str, ...]
    runs: tuple[Run, ...]
    strategies: tuple[Strategy, ...]
    left_out: tuple[str, ...]

    def baseline(self, wanted: str | None) -> str:
        """The strategy that is held against first: the wanted one, or that of the shortest name.

        Variants are named after what they add: dice, dice_class_weights.
        """
        names = [each.name for each in self.strategies]
        return wanted if wanted in names else min(names, key=len)

    def against(self, name: str) -> list[tuple[Strategy, Difference]]:
        """Every strategy less the named one."""
        other = next(each for each in self.strategies if each.name == name)
        return [(each, difference(each, other)) for each in self.strategies]


def comparisons(runs: Iterable[Run]) -> list[Comparison]:
    """Finished runs by what they were evaluated on, where it is more than one; the most runs first."""
    found: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        if run.record is not None and run.parts is not None and run.images:
            key = (run.record.data, run.parts.digest, run.record.threshold, run.classes)
            found.setdefault((*key, run.reported), []).append(run)
    several = [each for each in found.values() if len(each) > 1]
    return [_compared(each) for each in sorted(several, key=lambda each: -len(each))]


def _compared(runs: Sequence[Run]) -> Comparison:
    read: list[tuple[Run, Pixels]] = []
    left_out: list[str] = []
    for run in runs:
        try:
            pixels = _read(run)
            if read and (other := _other_images(pixels, read[0][1])):
                raise UserError(f"{run.folder.path}: {other}")
            read.append((run, pixels))
        except UserError as error:
            left_out.append(str(error))
    dice: dict[str, list[Any]] = {}
    for run, pixels in read:
        dice.setdefault(run.name, []).append(pixels.dice)
    first = runs[0]
    return Comparison(
        title=f"{first.data}, {first.images} {first.reported[1]} images",
        classes=first.classes,
        runs=tuple(runs),
        strategies=tuple(
            strategies(dict(sorted(dice.items())), read[0][1].held, read[0][1].groups)
            if read
            else ()
        ),
        left_out=tuple(left_out),
    )


def _read(run: Run) -> Pixels:
    """Read image_scores.parquet.

    Raises:
        UserError: it is not there, or not such a table.
    """
    import pandas as pd  # 0.5 s that --help need not pay

    assert run.record is not None
    path = run.folder.path / run.record.images
    try:
        table = pd.read_parquet(path)
        table = table[table["part"] == run.reported[1]]
        shape = (-1, len(run.classes))
        grids = {name: table[name].to_numpy().reshape(shape) for name in table.columns}  # [S, C]
        return Pixels(
            images=tuple(map(str, grids["image"][:, 0])),
            groups=grids["group"][:, 0].astype(np.int64),
            held=grids["tp"] + grids["fn"] > 0,
            dice=grids["dice"].astype(np.float64),
        )
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise UserError(
            f"{path}: not a table of images and classes ({reason(error)}); evaluate the run again: "
            f"python -m steelexp evaluate {run.folder.path}"
        ) from None


def _other_images(mine: Pixels, its: Pixels) -> str:
    if mine.images != its.images:
        return "evaluated on other images than the runs beside it"
    if not np.array_equal(mine.held, its.held) or not np.array_equal(mine.groups, its.groups):
        return "other labels or groups of near-duplicates than in the runs beside it"
    return ""
