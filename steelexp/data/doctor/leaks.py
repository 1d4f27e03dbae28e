"""What near copies leak from one part of a data set into another."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.data.issue import Issue
from steelexp.data.split import HEADER, PARTS, UNUSED, split_rows

# Subfolders by what they are for, training first; those of other names come between.
RANKS = {"train": 0, "training": 0, "val": 2, "valid": 2, "tune": 2, "validation": 2, "test": 3}


class Leak(NamedTuple):
    """Images of one part that are near copies of images of another.

    Attributes:
        part: the part that is to evaluate.
        other: the part that its images are known from.
        images: how many the part has.
        copies: numbers of those that are near copies.
    """

    part: str
    other: str
    images: int
    copies: list[int]

    def __str__(self) -> str:
        return (
            f"{len(self.copies)} of the {self.images} images of {self.part} are near copies of "
            f"images of {self.other}"
        )


def leaks(groups: npt.NDArray[np.int64], parts: Sequence[str]) -> list[Leak]:
    """Compare each part with those before it: training, then what tunes, then what tests.

    Args:
        groups: [S] images that are copies of one another share a number.
        parts: [S] the part of each image; "" where it has none.

    Returns:
        The pairs of parts that share a group.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for i, part in enumerate(parts):
        if part:
            members[part].append(i)
    order = sorted(members, key=lambda part: (RANKS.get(part.lower(), 1), part))
    found = []
    for place, part in enumerate(order):
        for other in order[:place]:
            known = set(groups[members[other]].tolist())
            copies = [i for i in members[part] if int(groups[i]) in known]
            if copies:
                found.append(Leak(part, other, len(members[part]), copies))
    return found


def read_split(path: Path, names: Sequence[str]) -> tuple[list[str], list[Issue]]:
    """Read a split leniently.

    Args:
        path: CSV file of image,part with a part of train, tune or test.
        names: [S] the images of the data set, with their subfolder; it may be left out where the
            rest says which image is meant.

    Returns:
        [S] part of each image, "" where it has none, and what is wrong with the file.

    Raises:
        DataError: the file cannot be read.
    """
    header, rows = split_rows(path, "--split")
    issues = []
    if header != HEADER:
        shown = ",".join(header)[:80] or "absent"
        issues.append(Issue("wrong header", path, 1, f"the columns are {shown}; not image,part"))
    parts = [""] * len(names)
    issues += _assign(path, rows, _numbers(names), parts)
    for name, part in zip(names, parts, strict=True):
        if not part:
            issues.append(Issue("image without part", path, None, f"{name} is in no row"))
    return parts, issues


def _assign(
    path: Path, rows: list[tuple[int, list[str]]], numbers: dict[str, int], parts: list[str]
) -> Iterator[Issue]:
    """Fill in the parts; what cannot be used is yielded."""
    for line, row in rows:
        if len(row) != len(HEADER) or row[1] not in (*PARTS, UNUSED):
            text = f"not image,part: {','.join(row)[:60]!r}"
            yield Issue("malformed split row", path, line, text)
        elif row[0] not in numbers:
            yield Issue("unknown image in split", path, line, f"{row[0]} is not in the data set")
        elif parts[numbers[row[0]]]:
            yield Issue("image twice in split", path, line, f"{row[0]}: a second row")
        else:
            parts[numbers[row[0]]] = row[1]


def _numbers(names: Sequence[str]) -> dict[str, int]:
    """Image numbers by name, and by the name without its subfolder where only one has it."""
    bare: dict[str, list[int]] = defaultdict(list)
    for i, name in enumerate(names):
        bare[name.rpartition("/")[2]].append(i)
    alone = {name: found[0] for name, found in bare.items() if len(found) == 1}
    return alone | {name: i for i, name in enumerate(names)}
