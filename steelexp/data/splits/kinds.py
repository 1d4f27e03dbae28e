"""Splits of a data set into training, validation and test images.

Validation images select the epoch. Test images are evaluated once, with the weights of that epoch.
Near-duplicates on both sides of a split are data leakage: scores are higher than on unseen steel.
Every run therefore reports how many groups of near-duplicates cross its split.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from steelexp.data.dataset import DataError, Dataset, raise_if
from steelexp.data.splits.file import read_table
from steelexp.data.splits.folds import kfold
from steelexp.data.splits.growth import extend_split
from steelexp.data.splits.split import PARTS, Rows, Split, check_shares
from steelexp.data.splits.stratification import stratify
from steelexp.limits import Seed

Share = Annotated[float, Field(gt=0, lt=1)]


def random(dataset: Dataset, groups: Rows, *, val: Share = 0.15, seed: Seed = 42) -> Split:
    """The published protocol: random training and validation images, no test images.

    Images of one roll are on both sides, so scores are higher than on unseen rolls: on Severstal a
    random split has about 0.95 where the leaderboard has 0.91.

    Args:
        dataset: Data set.
        groups: Not used.
        val: Share of the images in validation, which are also reported; at least one image.
        seed: Random seed of the split.

    Raises:
        DataError: The data set has fewer than two images.
    """
    count = len(dataset)
    if count < 2:
        raise DataError(f"split.kind: random needs at least 2 images, the data set has {count}")
    order = np.random.default_rng(seed).permutation(count)
    val_count = min(max(round(count * val), 1), count - 1)
    return _sorted_split(train=order[val_count:], val=order[:val_count])


def grouped(
    dataset: Dataset, groups: Rows, *, val: Share = 0.15, test: Share = 0.15, seed: Seed = 42
) -> Split:
    """A split by groups of near-duplicates, stratified by the combination of classes.

    Args:
        dataset: Data set.
        groups: [S] group of near-duplicates of each image.
        val: Share of the images in validation.
        test: Share of the images in the test part.
        seed: Random seed of the split.

    Raises:
        DataError: The shares leave nothing to train on, or there are too few groups.
    """
    check_shares(val, test)
    return Split(*stratify(dataset.pixels > 0, groups, (1 - val - test, val, test), seed))


def file(
    dataset: Dataset,
    groups: Rows,
    *,
    path: str,
    extend: bool = False,
    val: Share | None = None,
    test: Share | None = None,
    seed: Seed = 42,
) -> Split:
    """A split read from a file, such as the split.csv of an earlier run.

    With `extend`, images without a row are dealt to parts and no image with a row moves. `run`
    appends the new rows to the file, with the version of the split and the date.

    Args:
        dataset: Data set.
        groups: [S] group of near-duplicates of each image; used with `extend`.
        path: Path of a table image,part with a row for each image; part is train, val, test or
            unused. The columns version and added may follow. Rows of other images are ignored,
            since the data set may be a subset.
        extend: Deal the images that have no row; otherwise they are refused.
        val: Share of the images in validation, with `extend`; null for its share in version 1.
        test: Share of the images in the test part, with `extend`; null for its share in version 1.
        seed: Random seed of the order of new groups; used with `extend`.

    Raises:
        DataError: The table cannot be read, an image has no row or two, a part is unknown, or
            training or validation is empty; all problems are listed.
    """
    table = read_table(Path(path))
    parts = dict(table.parts)
    if extend:
        val_share = table.shares["val"] if val is None else val
        test_share = table.shares["test"] if test is None else test
        parts |= extend_split(dataset, groups, parts, val=val_share, test=test_share, seed=seed)
    elif (val, test, seed) != (None, None, 42):
        raise DataError("split: val, test and seed of kind file need extend: true; add it")
    missing = [name for name in dataset.names if name not in parts]
    way_out = "add it, or set split.extend: true"
    raise_if([f"split.path: {path} has no row for {name}; {way_out}" for name in missing])
    rows = {
        part: np.array([i for i, name in enumerate(dataset.names) if parts[name] == part], np.int64)
        for part in PARTS
    }
    raise_if(
        [
            f"split.path: {path} has no image of the data set in {part}"
            for part in PARTS[:2]
            if not len(rows[part])
        ]
    )
    return Split(**rows)


def overfit(dataset: Dataset, groups: Rows) -> Split:
    """Every image in both training and validation: a test of whether a model can overfit them.

    Args:
        dataset: Data set.
        groups: Not used.
    """
    rows = np.arange(len(dataset))
    return _sorted_split(train=rows, val=rows)


SPLITS: dict[str, Callable[..., Split]] = {
    "random": random,
    "grouped": grouped,
    "kfold": kfold,
    "file": file,
    "overfit": overfit,
}


def _sorted_split(*, train: Rows, val: Rows, test: Rows | None = None) -> Split:
    parts = (train, val, np.empty(0, np.int64) if test is None else test)
    return Split(*(np.sort(rows).astype(np.int64) for rows in parts))
