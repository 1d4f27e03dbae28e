"""Data leakage: near-duplicates in different parts of a data set."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.data.issue import Issue
from steelexp.data.splits.file import HEADERS, is_valid, read_rows

# Order of the parts by the names of subfolders, training first; other names have rank 1.
RANKS = {"train": 0, "training": 0, "val": 2, "valid": 2, "validation": 2, "test": 3}


class Leak(NamedTuple):
    """Images of one part that are near-duplicates of images of another part.

    Attributes:
        part: Part that is evaluated.
        other: Earlier part with near-duplicates of its images.
        images: Number of images of the part.
        duplicates: Numbers of its images with a near-duplicate in the other part.
    """

    part: str
    other: str
    images: int
    duplicates: list[int]

    def __str__(self) -> str:
        return (
            f"{len(self.duplicates)} of the {self.images} images of {self.part} are "
            f"near-duplicates of images of {self.other}"
        )


def find_leaks(groups: npt.NDArray[np.int64], parts: Sequence[str]) -> list[Leak]:
    """Compare each part with the parts before it: training, validation, test.

    Args:
        groups: [S] group of near-duplicates of each image.
        parts: [S] part of each image; "" if it has none.

    Returns:
        The pairs of parts that share a group.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for i, part in enumerate(parts):
        if part:
            members[part].append(i)
    order = sorted(members, key=lambda part: (RANKS.get(part.lower(), 1), part))
    leaks = []
    for position, part in enumerate(order):
        for other in order[:position]:
            other_groups = set(groups[members[other]].tolist())
            duplicates = [i for i in members[part] if int(groups[i]) in other_groups]
            if duplicates:
                leaks.append(Leak(part, other, len(members[part]), duplicates))
    return leaks


def read_split(path: Path, names: Sequence[str]) -> tuple[list[str], list[Issue]]:
    """Read a split; invalid rows become issues.

    Args:
        path: CSV file image,part with a part of train, val, test or unused.
        names: [S] names of the images, with their subfolder. The file may omit the subfolder if
            the rest of the name is unique.

    Returns:
        [S] part of each image, "" if it has none; and the issues of the file.

    Raises:
        DataError: The file cannot be read.
    """
    header, rows = read_rows(path, "--split")
    issues = []
    if header not in HEADERS:
        columns = ",".join(header)[:80] or "absent"
        issues.append(Issue("wrong header", path, 1, f"the columns are {columns}; not image,part"))
    parts = [""] * len(names)
    issues += _assign(path, header, rows, _image_numbers(names), parts)
    for name, part in zip(names, parts, strict=True):
        if not part:
            issues.append(Issue("image without part", path, None, f"{name} is in no row"))
    return parts, issues


def _assign(
    path: Path,
    header: list[str],
    rows: list[tuple[int, list[str]]],
    numbers: dict[str, int],
    parts: list[str],
) -> Iterator[Issue]:
    """Assign the parts in place, and yield the issues of invalid rows."""
    for line, row in rows:
        if not is_valid(header, row):
            text = f"not image,part: {','.join(row)[:60]!r}"
            yield Issue("malformed split row", path, line, text)
        elif row[0] not in numbers:
            yield Issue("unknown image in split", path, line, f"{row[0]} is not in the data set")
        elif parts[numbers[row[0]]]:
            yield Issue("duplicate split row", path, line, f"{row[0]}: a second row")
        else:
            parts[numbers[row[0]]] = row[1]


def _image_numbers(names: Sequence[str]) -> dict[str, int]:
    """Image numbers by name, and by the name without its subfolder if that is unique."""
    by_file_name: dict[str, list[int]] = defaultdict(list)
    for i, name in enumerate(names):
        by_file_name[name.rpartition("/")[2]].append(i)
    unique = {name: numbers[0] for name, numbers in by_file_name.items() if len(numbers) == 1}
    return unique | {name: i for i, name in enumerate(names)}
