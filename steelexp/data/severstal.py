"""Data set of the competition Severstal: Steel Defect Detection, in Kaggle's layout.

    root/train.csv        ImageId,ClassId,EncodedPixels   (one row per mask), or
                          ImageId_ClassId,EncodedPixels   (four rows per image, empty where clean)
    root/train_images/    256 x 1600 grey JPEGs
    root/test_images/     optional, unlabelled

https://www.kaggle.com/c/severstal-steel-defect-detection/data
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from pydantic import PositiveInt

from steelexp.checksum import hash_bytes
from steelexp.command_line import command_line
from steelexp.data import rle
from steelexp.data.content import file_hashes
from steelexp.data.csv_file import CsvFileError, read_csv
from steelexp.data.data_error import DataError, raise_if
from steelexp.data.dataset import Bits, Dataset, sample_subset
from steelexp.data.image_files import list_images, say_passed_over, similar_name
from steelexp.data.image_header import image_sizes, read_headers
from steelexp.data.issue import Issue
from steelexp.limits import Seed

CLASSES = ("1", "2", "3", "4")
HEADERS = (["ImageId", "ClassId", "EncodedPixels"], ["ImageId_ClassId", "EncodedPixels"])


class Label(NamedTuple):
    """One row of train.csv; empty runs mean that the image does not hold the class."""

    line: int
    image: str
    class_id: str
    runs: str


class LabelTable(NamedTuple):
    """The content of train.csv.

    Attributes:
        columns: Columns, one of HEADERS; empty if their number fits neither.
        labels: Rows of the table.
        issues: Malformed rows, or the reason why the table cannot be read.
    """

    columns: list[str]
    labels: list[Label]
    issues: list[Issue]


class ImageLabels(NamedTuple):
    """The valid rows of train.csv by image.

    Attributes:
        labels: Labels by image and class number; the first one of duplicates.
        pixels: [C] labelled pixels by image.
        issues: Issues of the other rows.
    """

    labels: dict[str, dict[int, Label]]
    pixels: dict[str, list[int]]
    issues: list[Issue]


def severstal(
    *,
    root: str,
    images: Literal["all", "with_defects"] = "all",
    subset: PositiveInt | None = None,
    subset_seed: Seed = 0,
) -> Dataset:
    """Kaggle's Severstal strips.

    Args:
        root: Root folder, with train.csv and train_images/.
        images: All strips, or only strips with a defect.
        subset: Number of strips to sample without replacement; all by default.
        subset_seed: Random seed of the subset.

    Returns:
        The strips, sorted by name.

    Raises:
        DataError: The folder has another layout, or rows of train.csv are invalid; all are listed.
    """
    folder = Path(root)
    table = folder / "train.csv"
    images_dir = folder / "train_images"
    _check_layout(folder, table, images_dir)
    _, rows, table_issues = read_table(table)
    labels = [label for label in rows if label.runs.strip()]
    listing = list_images(images_dir)
    say_passed_over(listing, images_dir)
    files = listing.paths
    labelled = {label.image for label in labels}
    names = [name for name in files if images == "all" or name in labelled]
    headers = read_headers([files[name] for name in names])
    sizes = dict(zip(names, image_sizes(headers), strict=True))
    missing = find_missing_images(table, labels, images_dir, files)
    present = [label for label in labels if label.image in sizes]
    by_image, pixels, label_issues = index_labels(
        table, present, lambda name: int(np.prod(sizes[name]))
    )
    raise_if(
        [f"{path}: {text}" for path, text in listing.problems.items()]
        + [str(issue) for issue in table_issues + missing + label_issues]
    )
    names = sample_subset(names, subset, subset_seed, root)

    def read_mask(row: int) -> Bits:
        name = names[row]
        height, width = sizes[name]
        bits = np.zeros((height, width), np.uint8)
        for class_number, label in by_image[name].items():
            bits[rle.decode(label.runs, (height, width))] |= 1 << class_number
        return bits

    def label_hash(name: str) -> str:
        masks = sorted((c, label.runs) for c, label in by_image[name].items())
        return hash_bytes(repr(masks).encode())

    paths = tuple(files[name] for name in names)
    return Dataset(
        names=tuple(names),
        paths=paths,
        sizes=np.array([sizes[name] for name in names], np.int32).reshape(-1, 2),
        classes=CLASSES,
        pixels=np.array([pixels[name] for name in names], np.int64).reshape(-1, len(CLASSES)),
        read_mask=read_mask,
        image_hashes=file_hashes(paths),
        label_hashes=tuple(map(label_hash, names)),
        depth=max((header.bits for header in headers), default=8),
    )


def _check_layout(folder: Path, table: Path, images_dir: Path) -> None:
    if not folder.is_dir():
        generate = command_line("data", "generate", "FOLDER")
        raise DataError(
            f"data.root: there is no folder {folder}; download the competition's data from "
            "https://www.kaggle.com/c/severstal-steel-defect-detection/data and set data.root or "
            f"STEELEXP_SEVERSTAL, or generate a set like it: {generate}"
        )
    missing = [table.name] * (not table.is_file()) + [images_dir.name] * (not images_dir.is_dir())
    if missing:
        content = ", ".join(sorted(path.name for path in folder.iterdir())[:5]) or "nothing"
        raise DataError(
            f"data.root: {folder} is not Severstal's folder: it lacks {' and '.join(missing)} "
            f"(it holds {content})"
        )


def read_table(table: Path) -> LabelTable:
    """Read train.csv; with a wrong header, rows are read by their number of columns."""
    try:
        header, rows = read_csv(table)
    except CsvFileError as error:
        return LabelTable([], [], [Issue("unreadable table", table, None, str(error))])
    labels = []
    issues = []
    if header not in HEADERS:
        columns = ",".join(header)[:80] or "absent"
        published = " or ".join(map(",".join, HEADERS))
        text = (
            f"the columns are {columns}; Kaggle's are {published}; for a table in another form, "
            "set data.source=csv"
        )
        issues.append(Issue("wrong header", table, 1, text))
        header = next((each for each in HEADERS if len(each) == len(header)), [])
        rows = rows if header else []
    for line, row in rows:
        *key, runs = row
        image, class_id = key if len(key) == 2 else "_".join(key).rpartition("_")[::2]
        if len(row) != len(header) or not image:
            text = f"not {','.join(header)}: {','.join(row)[:40]!r}"
            issues.append(Issue("malformed row", table, line, text))
        else:
            labels.append(Label(line, image, class_id, runs))
    return LabelTable(header, labels, issues)


def find_missing_images(
    table: Path, labels: Iterable[Label], images_dir: Path, files: Collection[str]
) -> list[Issue]:
    """Find rows without an image, and suggest a file of similar name."""
    issues = []
    hints: dict[str, str] = {}
    for label in labels:
        if label.image not in files:
            if label.image not in hints:
                hints[label.image] = similar_name(label.image, files)
            text = f"{label.image} is not in {images_dir}{hints[label.image]}"
            issues.append(Issue("missing image", table, label.line, text))
    return issues


def index_labels(
    table: Path, labels: Iterable[Label], pixels_of: Callable[[str], int]
) -> ImageLabels:
    """Index rows by image and class, and check their runs.

    Args:
        table: Path of train.csv, for messages.
        labels: Rows of train.csv.
        pixels_of: Function image name -> number of pixels.
    """
    by_image: dict[str, dict[int, Label]] = defaultdict(dict)
    pixels: dict[str, list[int]] = defaultdict(lambda: [0] * len(CLASSES))
    issues = []
    for label in labels:
        image = label.image
        class_id = label.class_id
        if class_id not in CLASSES:
            text = f"{image}: there is no class {class_id!r}; allowed: {', '.join(CLASSES)}"
            issues.append(Issue("unknown class", table, label.line, text))
            continue
        number = CLASSES.index(class_id)
        is_duplicate = number in by_image[image]
        if is_duplicate:
            text = f"{image}: a second row for class {class_id}"
            issues.append(Issue("duplicate row", table, label.line, text))
        try:
            runs = rle.parse_runs(label.runs, pixels_of(image))
        except rle.RleError as error:
            issues.append(invalid_runs_issue(table, label, error))
            continue
        if not is_duplicate:
            by_image[image][number] = label
            pixels[image][number] = int(runs[:, 1].sum())
    return ImageLabels(by_image, pixels, issues)


def invalid_runs_issue(table: Path, label: Label, error: rle.RleError) -> Issue:
    """The issue of runs that are not a mask of their image."""
    text = f"{label.image}: class {label.class_id}: {error}"
    return Issue("invalid runs", table, label.line, text)
