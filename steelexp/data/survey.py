"""The images of a data set and their labels; problems become issues instead of errors."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from steelexp.data.dataset import Bits, DataError, Dataset
from steelexp.data.image_files import ImageList
from steelexp.data.issue import Issue

Size = tuple[int, int]
LabelReading = tuple[Bits | None, list[Issue]]
"""The mask of an image, None if it cannot be read, and its issues."""


@dataclass(frozen=True)
class LabelledImage:
    """An image and its labels.

    Attributes:
        name: File name, with the subfolder if there is one.
        path: Path of the file.
        part: Subfolder, a part of the set's own split; "" if there is none.
        read_labels: Function size of the image, None if it cannot be read -> mask and issues.
        locate: Function class number -> file and row of its mask.
    """

    name: str
    path: Path
    part: str
    read_labels: Callable[[Size | None], LabelReading]
    locate: Callable[[int], tuple[Path, int | None]]


@dataclass(frozen=True)
class Survey:
    """The files of a data set, before its images are read.

    Attributes:
        layout: Name of the data source.
        classes: Class names; None if only the values of the masks are known.
        images: All images.
        issues: Issues of tables, names and folders.
        one_size: Whether all images should have the same size.
        has_runs: Whether the labels are a table of runs down the columns.
    """

    layout: str
    classes: tuple[str, ...] | None
    images: list[LabelledImage]
    issues: list[Issue]
    one_size: bool
    has_runs: bool = False


def listing_issues(images: ImageList) -> list[Issue]:
    """Files and folders that cannot be listed."""
    return [Issue("unread file", Path(path), None, text) for path, text in images.problems.items()]


def survey_dataset(layout: str, root: Path, load: Callable[[], Dataset]) -> Survey:
    """Survey a data set through its loader, which stops at the first problems.

    Args:
        layout: Name of the data source.
        root: Root folder of the data set.
        load: Function that reads the data set.
    """
    try:
        dataset = load()
    except DataError as error:
        lines = error.lines
        issues = [Issue("refused by its loader", root, None, line) for line in lines]
        return Survey(layout, None, [], issues, one_size=False)
    images = [_image_of(dataset, row) for row in range(len(dataset))]
    return Survey(layout, dataset.classes, images, [], one_size=False)


def _image_of(dataset: Dataset, row: int) -> LabelledImage:
    path = dataset.paths[row]

    def read_labels(size: Size | None) -> LabelReading:
        return (None if size is None else dataset.mask(row)), []

    return LabelledImage(dataset.names[row], path, "", read_labels, lambda c: (path, None))
