"""A split of a data set: its parts, its table, its hash, and what it has on two sides."""

import csv
import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.data.dataset import DataError, Dataset, raise_if

Rows = npt.NDArray[np.int64]

PARTS = ("train", "val", "test")
UNUSED = "unused"
"""What split.csv calls an image that is in no part."""
HEADER = ["image", "part"]


class Split(NamedTuple):
    """Strip numbers, ascending; disjoint unless the split says otherwise.

    Attributes:
        train: what the weights learn from.
        tune: what picks the epoch.
        test: what is evaluated once at the end; empty in the published protocol.
    """

    train: Rows
    val: Rows
    test: Rows


class Leak(NamedTuple):
    """What a split has on two sides.

    Attributes:
        groups: of near-duplicates with images in more than one part.
        tune: validation images with a copy among the training images.
        test: test images with a copy among the training images.
    """

    groups: int
    val: int
    test: int


def leak(split: Split, groups: Rows) -> Leak:
    """How many groups, and how many evaluated images, a split has on two sides.

    Args:
        split: image numbers.
        groups: [S] group of each image.
    """
    within = np.zeros((len(PARTS), int(groups.max(initial=-1)) + 1), bool)
    for part, rows in enumerate(split):
        within[part, groups[rows]] = True
    trained = within[0]
    return Leak(
        groups=int((within.sum(axis=0) > 1).sum()),
        val=int(trained[groups[split.val]].sum()),
        test=int(trained[groups[split.test]].sum()),
    )


def described(dataset: Dataset, split: Split, groups: Rows) -> dict[str, Any]:
    """What a record says of a split: images and classes of each part, its hash, its leak."""
    parts = dict(zip(PARTS, split, strict=True))
    held = {name: (dataset.pixels[rows] > 0).sum(axis=0).tolist() for name, rows in parts.items()}
    return {
        **{name: len(rows) for name, rows in parts.items()},
        UNUSED: len(unused(dataset, split)),
        "images_per_class": {
            name: dict(zip(dataset.classes, counts, strict=True)) for name, counts in held.items()
        },
        "digest": split_digest(dataset, split),
        "groups": len(np.unique(groups)),
        "leak": leak(split, groups)._asdict(),
    }


def split_digest(dataset: Dataset, split: Split) -> str:
    """sha256 of split.csv."""
    return hashlib.sha256(split_csv(dataset, split).encode()).hexdigest()


def split_csv(dataset: Dataset, split: Split) -> str:
    """The table that `file` reads: image,part, in the order of the images."""
    rows = [
        (dataset.names[row], part)
        for part, numbers in zip((*PARTS, UNUSED), (*split, unused(dataset, split)), strict=True)
        for row in numbers.tolist()
    ]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([HEADER, *sorted(rows)])
    return text.getvalue()


def unused(dataset: Dataset, split: Split) -> Rows:
    """Dataset in no part; `data.train_fraction` leaves some out."""
    return np.setdiff1d(np.arange(len(dataset)), np.concatenate(split))


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
    raise_if(problems)
    return parts
