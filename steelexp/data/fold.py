"""A split of a data set: its parts, its table, its hash, and what it has on two sides."""

import csv
import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.data.strips import DataError, Strips, refuse

Rows = npt.NDArray[np.int64]

PARTS = ("train", "tune", "test")
UNUSED = "unused"
"""What split.csv calls a strip that is in no part."""
HEADER = ["image", "part"]


class Fold(NamedTuple):
    """Strip numbers, ascending; disjoint unless the split says otherwise.

    Attributes:
        train: what the weights learn from.
        tune: what picks the epoch.
        test: what is judged once at the end; empty in the published protocol.
    """

    train: Rows
    tune: Rows
    test: Rows


class Leak(NamedTuple):
    """What a split has on two sides.

    Attributes:
        groups: of near-duplicates with strips in more than one part.
        tune: tune strips with a copy among the training strips.
        test: test strips with a copy among the training strips.
    """

    groups: int
    tune: int
    test: int


def leak(fold: Fold, groups: Rows) -> Leak:
    """How many groups, and how many judged strips, a split has on two sides.

    Args:
        fold: strip numbers.
        groups: [S] group of each strip.
    """
    within = np.zeros((len(PARTS), int(groups.max(initial=-1)) + 1), bool)
    for part, rows in enumerate(fold):
        within[part, groups[rows]] = True
    trained = within[0]
    return Leak(
        groups=int((within.sum(axis=0) > 1).sum()),
        tune=int(trained[groups[fold.tune]].sum()),
        test=int(trained[groups[fold.test]].sum()),
    )


def described(strips: Strips, fold: Fold, groups: Rows) -> dict[str, Any]:
    """What a record says of a split: strips and classes of each part, its hash, its leak."""
    parts = dict(zip(PARTS, fold, strict=True))
    held = {name: (strips.pixels[rows] > 0).sum(axis=0).tolist() for name, rows in parts.items()}
    return {
        **{name: len(rows) for name, rows in parts.items()},
        UNUSED: len(unused(strips, fold)),
        "strips_per_class": {
            name: dict(zip(strips.classes, counts, strict=True)) for name, counts in held.items()
        },
        "digest": split_digest(strips, fold),
        "groups": len(np.unique(groups)),
        "leak": leak(fold, groups)._asdict(),
    }


def split_digest(strips: Strips, fold: Fold) -> str:
    """sha256 of split.csv."""
    return hashlib.sha256(split_csv(strips, fold).encode()).hexdigest()


def split_csv(strips: Strips, fold: Fold) -> str:
    """The table that `file` reads: image,part, in the order of the images."""
    rows = [
        (strips.names[row], part)
        for part, numbers in zip((*PARTS, UNUSED), (*fold, unused(strips, fold)), strict=True)
        for row in numbers.tolist()
    ]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([HEADER, *sorted(rows)])
    return text.getvalue()


def unused(strips: Strips, fold: Fold) -> Rows:
    """Strips in no part; `data.keep` leaves some out."""
    return np.setdiff1d(np.arange(len(strips)), np.concatenate(fold))


def split_rows(path: Path, named: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header of a split's table, and its rows with their lines; blank ones are passed over.

    Args:
        path: of the table.
        named: the setting or option that gave it, for the message.

    Raises:
        DataError: it is not a readable table.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream)
            header = next(reader, [])
            return header, [(reader.line_num, row) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{named} {path}: not a readable table of UTF-8 text ({error})") from error


def read_split(path: Path) -> Mapping[str, str]:
    """The part of each image.

    Raises:
        DataError: naming every row that is wrong.
    """
    header, rows = split_rows(path, "split.path:")
    if header != HEADER:
        raise DataError(f"{path}:1: the columns of a split are {','.join(HEADER)}")
    parts: dict[str, str] = {}
    problems = []
    for line, row in rows:
        if len(row) != len(HEADER) or row[1] not in (*PARTS, UNUSED):
            known = ", ".join((*PARTS, UNUSED))
            problems.append(f"{path}:{line}: {','.join(row)[:60]!r}: image,part; parts: {known}")
        elif row[0] in parts:
            problems.append(f"{path}:{line}: {row[0]}: a second row for this image")
        else:
            parts[row[0]] = row[1]
    refuse(problems)
    return parts
