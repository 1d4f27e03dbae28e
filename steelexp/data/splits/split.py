"""A split of a data set: parts, split.csv, digest, data leakage."""

import hashlib
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.data.dataset import DataError, Dataset
from steelexp.spreadsheet import csv_text

Rows = npt.NDArray[np.int64]

PARTS = ("train", "val", "test")
UNUSED = "unused"
"""Part of an image that is not used, in split.csv."""
HEADER = ["image", "part"]


class Split(NamedTuple):
    """Rows of the images of each part, ascending; disjoint except in the split `overfit`.

    Attributes:
        train: Training images.
        val: Validation images; they select the epoch.
        test: Test images, evaluated once at the end; none in the published protocol.
    """

    train: Rows
    val: Rows
    test: Rows


class Leak(NamedTuple):
    """Data leakage of a split.

    Attributes:
        groups: Number of groups of near-duplicates with images in more than one part.
        val: Number of validation images with a near-duplicate in training.
        test: Number of test images with a near-duplicate in training.
    """

    groups: int
    val: int
    test: int


def check_shares(val: float, test: float) -> None:
    """Check that shares of validation and test images leave some to train on.

    Raises:
        DataError: They leave nothing.
    """
    if val + test >= 1:
        raise DataError(
            f"split: val {val:g} and test {test:g} leave nothing to train on; lower one of them"
        )


def leak(split: Split, groups: Rows) -> Leak:
    """Count the groups that cross the split, and the evaluated images that are affected.

    Args:
        split: Split.
        groups: [S] group of near-duplicates of each image.
    """
    present = np.zeros((len(PARTS), int(groups.max(initial=-1)) + 1), bool)
    for part, rows in enumerate(split):
        present[part, groups[rows]] = True
    in_training = present[0]
    return Leak(
        groups=int((present.sum(axis=0) > 1).sum()),
        val=int(in_training[groups[split.val]].sum()),
        test=int(in_training[groups[split.test]].sum()),
    )


def describe_split(dataset: Dataset, split: Split, groups: Rows) -> dict[str, Any]:
    """The entry of a record: images and classes of each part, digest, data leakage."""
    parts = dict(zip(PARTS, split, strict=True))
    images = {name: (dataset.pixels[rows] > 0).sum(axis=0).tolist() for name, rows in parts.items()}
    return {
        **{name: len(rows) for name, rows in parts.items()},
        UNUSED: len(unused_rows(dataset, split)),
        "images_per_class": {
            name: dict(zip(dataset.classes, counts, strict=True)) for name, counts in images.items()
        },
        "digest": split_digest(dataset, split),
        "groups": len(np.unique(groups)),
        "leak": leak(split, groups)._asdict(),
    }


def split_digest(dataset: Dataset, split: Split) -> str:
    """sha256 of split.csv."""
    return hashlib.sha256(split_csv(dataset, split).encode()).hexdigest()


def split_csv(dataset: Dataset, split: Split) -> str:
    """The table image,part that the split `file` reads, sorted by image."""
    rows = [
        (dataset.names[row], part)
        for part, numbers in zip(
            (*PARTS, UNUSED), (*split, unused_rows(dataset, split)), strict=True
        )
        for row in numbers.tolist()
    ]
    return csv_text([HEADER, *sorted(rows)])


def unused_rows(dataset: Dataset, split: Split) -> Rows:
    """Images in no part; `data.train_fraction` and `data.train_share` leave some out."""
    return np.setdiff1d(np.arange(len(dataset)), np.concatenate(split))
