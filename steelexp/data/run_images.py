"""The images that a run was trained and tuned on, found again by their content."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from steelexp.data.dataset import Dataset
from steelexp.data.image_table import FILE, read_image_table
from steelexp.data.sources import LOADERS
from steelexp.data.splits.file import read_split
from steelexp.data.splits.split import Rows
from steelexp.data.white_level import set_white_level
from steelexp.errors import UserError
from steelexp.records.store import RunFolder
from steelexp.spec.schema import DataSpec

SPLIT = "split.csv"


class RunImages(NamedTuple):
    """Training and validation images of a run in its data set as it is now.

    Attributes:
        train: Rows of the training images.
        val: Rows of the validation images.
        missing: Number of training and validation images that are gone or have changed.
    """

    train: Rows
    val: Rows
    missing: int


def run_images(run: Path, dataset: Dataset) -> RunImages:
    """Find the images of a run, under any name; the data set may have grown since.

    Args:
        run: Run folder.
        dataset: Data set of the run as it is now.

    Raises:
        UserError: The run keeps no table of its images, or a table cannot be read.
    """
    folder = RunFolder(run)
    contents = read_image_table(folder.file(FILE))
    if contents is None:
        raise UserError(f"{run}: it keeps no {FILE}, which would tell its images")
    rows = {content: row for row, content in enumerate(dataset.image_hashes)}
    parts: dict[str, list[int]] = {"train": [], "val": []}
    missing = 0
    for name, part in read_split(folder.file(SPLIT)).items():
        if part not in parts:
            continue
        row = rows.get(contents[name].image) if name in contents else None
        missing += row is None
        if row is not None:
            parts[part].append(row)
    train, val = (np.array(parts[part], np.int64) for part in ("train", "val"))
    return RunImages(train, val, missing)


def read_run_data(section: DataSpec, white: int | None) -> Dataset:
    """The data of a section, by its own white level, or by that of a run for auto.

    Args:
        section: Data section.
        white: White level of the run; None if it had no images of more than 8 bits.

    Raises:
        UserError: The data are missing or wrong.
    """
    dataset: Dataset = section.bind(LOADERS)()
    if section.grey.white == "auto" and white is not None and dataset.depth > 8:
        return set_white_level(dataset, white)
    return set_white_level(dataset, section.grey.white)
