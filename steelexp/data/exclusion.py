"""`data.exclude`: images of a list, such as that of an audit, are left out of the training.

The validation and test part stay as they are: a run beside it is evaluated on the same images, and
wrong labels there lower both. Only the named images are left out. A near-duplicate of one has a
label of its own, which may be right.
"""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from steelexp.data.csv_file import CsvFileError, read_csv
from steelexp.data.dataset import DataError, Dataset, raise_if
from steelexp.data.splits.split import Split
from steelexp.spreadsheet import original

COLUMN = "image"
"""Column of the list with the names of the images; others are not read."""


def exclude(dataset: Dataset, split: Split, path: str | None, known: Collection[str]) -> Split:
    """Leave the images of a list out of the training part.

    Args:
        dataset: Data set.
        split: Split of the data set.
        path: Table with a column `image`; None for no list.
        known: Names of all images, also of near-duplicates that `deduplicate` leaves out.

    Raises:
        DataError: The table cannot be read, names an image that there is not, or leaves nothing to
            train on.
    """
    if path is None:
        return split
    names = read_list(Path(path))
    unknown = sorted(names - set(known))
    raise_if(
        [
            f"data.exclude: {path}: {name}: no such image; take the list of this data set"
            for name in unknown
        ]
    )
    rows = [row for row in split.train.tolist() if dataset.names[row] not in names]
    if not rows:
        raise DataError(f"data.exclude: {path}: no image is left to train on; name fewer")
    return split._replace(train=np.array(rows, np.int64))


def describe_exclusion(dataset: Dataset, split: Split, path: str) -> str:
    """A line about the images of a list: how many a run leaves out, and how many stay.

    Args:
        dataset: Data set.
        split: Split of the run, without them.
        path: Table with a column `image`.
    """
    names = read_list(Path(path))
    parts = np.concatenate([split.val, split.test]).tolist()
    stay = len(names & {dataset.names[row] for row in parts})
    rest = len(names) - stay
    return (
        f"data.exclude: {path}: {rest} image{'' if rest == 1 else 's'} not in training; {stay} of "
        "the validation and test part stay"
    )


def read_list(path: Path) -> set[str]:
    """The names in the column `image` of a table; an image may have several rows.

    Raises:
        DataError: The table cannot be read, or has no such column.
    """
    try:
        header, rows = read_csv(path)
    except CsvFileError as error:
        raise DataError(f"data.exclude: {path}: {error}") from error
    if COLUMN not in header:
        raise DataError(
            f"data.exclude: {path}:1: no column {COLUMN}; take the list that the page of "
            "`data audit` saves"
        )
    place = header.index(COLUMN)
    raise_if(
        [
            f"data.exclude: {path}:{line}: no image"
            for line, row in rows
            if not "".join(row[place : place + 1])
        ]
    )
    return {original(row[place]) for _, row in rows}
