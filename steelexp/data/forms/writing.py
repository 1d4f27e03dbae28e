"""What the writers of all forms share: a folder that appears whole, images, areas by class."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from steelexp.data.dataset import Bits, DataError, Dataset, raise_if
from steelexp.data.forms.reading import shared_labels
from steelexp.data.forms.shapes import Mask, Size
from steelexp.errors import explain_write_errors
from steelexp.records.atomic import replacing

IMAGES = "images"
"""Folder of the images in the forms that leave its name open."""

PlaceImage = Callable[[Path, Path], object]
"""Function that puts an image file to another path: `copy` or `link`."""


class WriterReport(NamedTuple):
    """What a writer reports.

    Attributes:
        settings: Settings of `data:` that read the new set, all but `root`.
        losses: Properties of the data set that the form cannot say, in words.
    """

    settings: dict[str, Any]
    losses: list[str]


def copy(image: Path, target: Path) -> None:
    """Copy an image file with its time stamp."""
    shutil.copy2(image, target)


def link(image: Path, target: Path) -> None:
    """Link an image file: a change of one is a change of both.

    Raises:
        DataError: The target is on another file system, or on one without links.
    """
    try:
        os.link(image.resolve(), target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP):
            raise
        raise DataError(
            f"{image}: cannot be linked from there ({error.strerror}); copy the images"
        ) from None


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder beside, for the block to write, which is renamed to `folder` at the end.

    Args:
        folder: Folder that does not exist.

    Raises:
        UserError: It exists, or cannot be written.
    """
    if folder.is_symlink() or folder.exists():
        raise DataError(f"{folder}: exists; name another folder, or remove this one")
    with (
        explain_write_errors(folder, "choose another folder with room"),
        replacing(folder) as partial,
    ):
        partial.mkdir()
        yield partial


def place_images(dataset: Dataset, folder: Path, place: PlaceImage) -> None:
    """Put every image into a folder under its name.

    Args:
        dataset: Data set.
        folder: Folder of the images.
        place: Function that puts one.
    """
    for name, path in zip(dataset.names, dataset.paths, strict=True):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        place(path, target)


def class_masks(dataset: Dataset, row: int) -> Iterator[tuple[int, Mask]]:
    """The bits that occur on an image, each with its mask; ignored pixels come last."""
    if not dataset.labelled[row] and not dataset.has_ignore:
        return
    bits: Bits = dataset.mask(row)
    present = int(np.bitwise_or.reduce(bits, axis=None))
    for bit in range(len(area_names(dataset))):
        if present >> bit & 1:
            yield bit, bits >> bit & 1 > 0


def area_names(dataset: Dataset) -> tuple[str, ...]:
    """Name of each bit: the classes, and the ignored pixels if there are such."""
    return dataset.classes + (ignore_name(dataset),) * dataset.has_ignore


def written_settings(source: str, dataset: Dataset, ignore: str | None = None) -> dict[str, Any]:
    """Settings of `data:` for a set just written.

    Args:
        source: Data source of the form.
        dataset: Data set that was written.
        ignore: Name of the ignored pixels; None for `ignore_name`.
    """
    settings: dict[str, Any] = {"source": source, "classes": list(dataset.classes)}
    return settings | ({"ignore": ignore or ignore_name(dataset)} if dataset.has_ignore else {})


def sized_images(dataset: Dataset) -> Iterator[tuple[int, str, Size]]:
    """Row, name, and height and width of each image."""
    for row, (height, width) in enumerate(dataset.sizes.tolist()):
        yield row, dataset.names[row], (height, width)


def ignore_name(dataset: Dataset) -> str:
    """The name of ignored pixels, which no class has."""
    name = "ignore"
    while name in dataset.classes:
        name = f"_{name}"
    return name


def check_stems(dataset: Dataset, what: str) -> None:
    """Check that no two images differ in their suffix only.

    Args:
        dataset: Data set.
        what: File that such images would share, such as "JSON file".

    Raises:
        DataError: Images would share a file; all are listed.
    """
    _, issues = shared_labels(dict(zip(dataset.names, dataset.paths, strict=True)), what)
    raise_if([str(issue) for issue in issues])


def check_one_folder(dataset: Dataset, form: str) -> None:
    """Check that no image is in a folder.

    Args:
        dataset: Data set.
        form: Form whose reader takes the images of one folder.

    Raises:
        DataError: The name of an image has a folder.
    """
    if inner := next((name for name in dataset.names if "/" in name), None):
        raise DataError(f"{form}: images are in one folder, and {inner} is not; take coco or csv")
