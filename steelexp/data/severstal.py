"""Severstal: Steel Defect Detection, as Kaggle publishes it.

    root/train.csv        ImageId,ClassId,EncodedPixels   (one row per mask), or
                          ImageId_ClassId,EncodedPixels   (four rows per image, empty where clean)
    root/train_images/    256 x 1600 grey JPEGs
    root/test_images/     optional, unlabelled

https://www.kaggle.com/c/severstal-steel-defect-detection/data
"""

import csv
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from pydantic import PositiveInt

from steelexp.data import rle
from steelexp.data.dataset import (
    Bits,
    DataError,
    Dataset,
    digest,
    draw_subset,
    image_sizes,
    raise_if,
)
from steelexp.data.issue import Issue

CLASSES = ("1", "2", "3", "4")
IMAGES = (".jpg", ".jpeg", ".png", ".bmp")
HEADERS = (["ImageId", "ClassId", "EncodedPixels"], ["ImageId_ClassId", "EncodedPixels"])


class Label(NamedTuple):
    """One row of train.csv; its runs are empty where an image is said not to hold a class."""

    line: int
    image: str
    class_id: str
    runs: str


class Table(NamedTuple):
    """What train.csv holds.

    Attributes:
        columns: its form, one of HEADERS; empty where it has neither's number of columns.
        labels: its rows.
        findings: lines that are no rows, or why the table cannot be read.
    """

    columns: list[str]
    labels: list[Label]
    issues: list[Issue]


class Marked(NamedTuple):
    """The rows that can be used.

    Attributes:
        labels: by image and class number; of two for one class, the first.
        pixels: by image [C] labelled pixels.
        findings: what is wrong with the others.
    """

    labels: dict[str, dict[int, Label]]
    pixels: dict[str, list[int]]
    issues: list[Issue]


def severstal(
    *,
    root: str,
    images: Literal["all", "with_defects"] = "all",
    subset: PositiveInt | None = None,
    subset_seed: int = 0,
) -> Dataset:
    """Kaggle's Severstal strips.

    Args:
        root: folder with train.csv and train_images/.
        images: all strips, or only those with a defect.
        subset: how many strips to keep, drawn without replacement; all when absent.
        subset_seed: seed of that draw.

    Returns:
        The strips in the order of their names.

    Raises:
        DataError: the folder is not Severstal's, or rows of train.csv are wrong (all are listed).
    """
    folder = Path(root)
    table, pictures = folder / "train.csv", folder / "train_images"
    _check_layout(folder, table, pictures)
    _, rows, unread = read_table(table)
    labels = [label for label in rows if label.runs.strip()]
    files = images_in(pictures)
    labelled = {label.image for label in labels}
    names = [name for name in files if images == "all" or name in labelled]
    sizes = dict(zip(names, image_sizes(files[name] for name in names), strict=True))
    missing = missing_images(table, labels, pictures, files)
    present = [label for label in labels if label.image in sizes]
    runs, pixels, wrong = mark(table, present, lambda name: int(np.prod(sizes[name])))
    raise_if([str(issue) for issue in unread + missing + wrong])
    kept = draw_subset(names, subset, subset_seed, root)

    def read_mask(strip: int) -> Bits:
        name = kept[strip]
        height, width = sizes[name]
        bits = np.zeros((height, width), np.uint8)
        for class_number, label in runs[name].items():
            bits[rle.decode(label.runs, (height, width))] |= 1 << class_number
        return bits

    def contents(name: str) -> tuple[str, int, list[tuple[int, str]]]:
        masks = sorted((c, label.runs) for c, label in runs[name].items())
        return name, files[name].stat().st_size, masks

    return Dataset(
        names=tuple(kept),
        paths=tuple(files[name] for name in kept),
        sizes=np.array([sizes[name] for name in kept], np.int32).reshape(-1, 2),
        classes=CLASSES,
        pixels=np.array([pixels[name] for name in kept], np.int64).reshape(-1, len(CLASSES)),
        read_mask=read_mask,
        manifest=digest(map(contents, kept)),
    )


def _check_layout(folder: Path, table: Path, pictures: Path) -> None:
    if not folder.is_dir():
        raise DataError(
            f"data.root: there is no folder {folder}; download the competition's data from "
            "https://www.kaggle.com/c/severstal-steel-defect-detection/data and set data.root or "
            "STEELEXP_SEVERSTAL, or draw a set like it: python -m steelexp data generate FOLDER"
        )
    missing = [table.name] * (not table.is_file()) + [pictures.name] * (not pictures.is_dir())
    if missing:
        found = ", ".join(sorted(path.name for path in folder.iterdir())[:5]) or "nothing"
        raise DataError(
            f"data.root: {folder} is not Severstal's folder: it lacks {' and '.join(missing)} "
            f"(it holds {found})"
        )


def images_in(pictures: Path) -> dict[str, Path]:
    """The images of a folder by their names, in order."""
    return {path.name: path for path in sorted(pictures.iterdir()) if path.suffix.lower() in IMAGES}


def read_table(table: Path) -> Table:
    """Read train.csv; with a wrong header, the rows are read by their number of columns."""
    csv.field_size_limit(2**24)  # the runs of a noisy mask take 2 MB, and csv stops at 128 kB
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            rows = [(reader.line_num, row) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        text = f"not a readable table of UTF-8 text ({error})"
        return Table([], [], [Issue("unreadable table", table, None, text)])
    labels, issues = [], []
    if header not in HEADERS:
        shown = ",".join(header)[:80] or "absent"
        published = " or ".join(map(",".join, HEADERS))
        text = f"the columns are {shown}; Kaggle's are {published}"
        issues.append(Issue("wrong header", table, 1, text))
        header = next((known for known in HEADERS if len(known) == len(header)), [])
        rows = rows if header else []
    for line, row in rows:
        *key, runs = row
        image, class_id = key if len(key) == 2 else "_".join(key).rpartition("_")[::2]
        if len(row) != len(header) or not image:
            text = f"not {','.join(header)}: {','.join(row)[:40]!r}"
            issues.append(Issue("malformed row", table, line, text))
        else:
            labels.append(Label(line, image, class_id, runs))
    return Table(header, labels, issues)


def missing_images(
    table: Path, labels: Iterable[Label], pictures: Path, files: Collection[str]
) -> list[Issue]:
    """The rows whose image is not there, with the file that may be meant."""
    alike = {Path(name).stem.casefold(): name for name in files}
    issues = []
    for label in labels:
        if label.image not in files:
            meant = alike.get(Path(label.image.strip()).stem.casefold())
            hint = f"; {meant} is there" if meant else ""
            text = f"{label.image} is not in {pictures}{hint}"
            issues.append(Issue("missing image", table, label.line, text))
    return issues


def mark(table: Path, labels: Iterable[Label], pixels_of: Callable[[str], int]) -> Marked:
    """Sort the rows by image and class, and check their runs.

    Args:
        table: train.csv, for what is said.
        labels: its rows.
        pixels_of: how many pixels an image has.
    """
    marked: dict[str, dict[int, Label]] = defaultdict(dict)
    pixels: dict[str, list[int]] = defaultdict(lambda: [0] * len(CLASSES))
    issues = []
    for label in labels:
        image, class_id = label.image, label.class_id
        if class_id not in CLASSES:
            text = f"{image}: there is no class {class_id!r}; allowed: {', '.join(CLASSES)}"
            issues.append(Issue("unknown class", table, label.line, text))
            continue
        number = CLASSES.index(class_id)
        again = number in marked[image]
        if again:
            text = f"{image}: a second row for class {class_id}"
            issues.append(Issue("duplicate row", table, label.line, text))
        try:
            runs = rle.runs_of(label.runs, pixels_of(image))
        except rle.RleError as error:
            issues.append(invalid_runs(table, label, error))
            continue
        if not again:
            marked[image][number] = label
            pixels[image][number] = int(runs[:, 1].sum())
    return Marked(marked, pixels, issues)


def invalid_runs(table: Path, label: Label, error: rle.RleError) -> Issue:
    """Runs that are no mask of their image."""
    text = f"{label.image}: class {label.class_id}: {error}"
    return Issue("invalid runs", table, label.line, text)
