"""Every image of a data set with its labels, read leniently: what is wrong is noted, not refused.

Severstal's layout is root/train.csv beside root/train_images/; the other one is root/images/ beside
root/masks/ or root/annotations/, whose subfolders, if any, are the set's own split.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steelexp.data import rle
from steelexp.data.dataset import Bits, DataError
from steelexp.data.issue import Issue
from steelexp.data.mask_folder import bits_of, may_be_image, pair, read_mask
from steelexp.data.severstal import (
    CLASSES,
    HEADERS,
    Label,
    Table,
    images_in,
    invalid_runs,
    mark,
    missing_images,
    read_table,
)

Size = tuple[int, int]
Reading = tuple[Bits | None, list[Issue]]
Place = Callable[[int], tuple[Path, int | None]]
Labels = Callable[[Size | None], Reading]
"""Height and width of the image, None where it cannot be read -> its bits, and what is wrong."""

MASKS = ("masks", "annotations")
MOST_CLASSES = 8  # the bits of a mask
OTHER_FORMATS = (".tif", ".tiff", ".webp", ".gif", ".jp2")
UNBOUNDED = 10**15  # pixels: more than the runs of a checked code can reach


@dataclass(frozen=True)
class LabelledImage:
    """One image to examine.

    Attributes:
        name: of its file, below the subfolder where there is one.
        path: of its file.
        part: the subfolder; "" where there is none.
        labels: reads and checks its labels.
        place: class number -> file and row of its mask.
    """

    name: str
    path: Path
    part: str
    labels: Labels
    place: Place


@dataclass(frozen=True)
class Survey:
    """A data set before its images are read.

    Attributes:
        layout: "severstal" or "mask_folder".
        classes: names; None where only the masks' values can tell.
        subjects: every image there is.
        issues: what is wrong with tables, names and folders.
        one_size: whether all images should have the same size.
    """

    layout: str
    classes: tuple[str, ...] | None
    subjects: list[LabelledImage]
    issues: list[Issue]
    one_size: bool


def survey(root: Path, classes: tuple[str, ...] | None) -> Survey:
    """Find the layout and list the images.

    Args:
        root: folder of the data set.
        classes: names of the mask values 1, 2, ...; None: any value up to 8 is a class.

    Raises:
        DataError: neither layout is there, or classes are named where train.csv numbers them.
    """
    if not root.is_dir():
        raise DataError(f"{root}: there is no such folder")
    table, pictures = root / "train.csv", root / "train_images"
    if table.is_file() and pictures.is_dir():
        if classes is not None:
            raise DataError(f"--classes: {table} numbers its classes itself; leave them out")
        return _survey_severstal(table, pictures)
    masks = next((root / name for name in MASKS if (root / name).is_dir()), None)
    if masks is not None and (root / "images").is_dir():
        _check_names(classes or ())
        return _survey_masks(root / "images", masks, classes)
    found = ", ".join(sorted(path.name for path in root.iterdir())[:5]) or "nothing"
    raise DataError(
        f"{root}: not a data set: it needs train.csv beside train_images/, or images/ beside "
        f"masks/ or annotations/ (it holds {found})"
    )


def _check_names(classes: tuple[str, ...]) -> None:
    if len(set(classes)) < len(classes) or len(classes) > MOST_CLASSES or "" in classes:
        raise DataError(
            f"--classes {','.join(classes)}: up to {MOST_CLASSES} different names, between commas"
        )


def _survey_severstal(table: Path, pictures: Path) -> Survey:
    read = read_table(table)
    files = images_in(pictures)
    rows = mark(table, read.labels, lambda image: UNBOUNDED)
    issues = [
        *read.issues,
        *missing_images(table, read.labels, pictures, files),
        *rows.issues,
        *_rows_of_the_wrong_form(table, read, files),
        *_unread_files(pictures),
    ]
    subjects = [
        _labelled(name, path, table, rows.labels.get(name, {}) if read.columns else None)
        for name, path in files.items()
    ]
    return Survey("severstal", CLASSES, subjects, issues, one_size=True)


def _rows_of_the_wrong_form(table: Path, read: Table, files: Iterable[str]) -> Iterator[Issue]:
    """Empty masks where rows are for masks only; absent ones where each class has its row."""
    empty = [label for label in read.labels if not label.runs.strip()]
    if read.columns == HEADERS[0]:
        for label in empty:
            text = f"{label.image}: class {label.class_id}: no runs"
            yield Issue("empty mask", table, label.line, text)
    elif empty:
        lines: dict[str, dict[str, int]] = {}
        for label in read.labels:
            lines.setdefault(label.image, {})[label.class_id] = label.line
        for image in files:
            absent = [c for c in CLASSES if c not in lines.get(image, {})]
            if absent:
                line = min(lines.get(image, {"": 0}).values()) or None
                text = f"{image}: no row for class {', '.join(absent)}"
                yield Issue("missing row", table, line, text)


def _unread_files(pictures: Path) -> list[Issue]:
    return [
        Issue("unread file", path, None, f"images of type {path.suffix} are not read")
        for path in sorted(pictures.iterdir())
        if path.suffix.lower() in OTHER_FORMATS
    ]


def _labelled(name: str, path: Path, table: Path, found: dict[int, Label] | None) -> LabelledImage:
    """An image of train.csv; `found` is None where the table cannot be read."""
    rows = found or {}

    def labels(size: Size | None) -> Reading:
        if size is None or found is None:
            return None, []
        bits, issues = np.zeros(size, np.uint8), []
        for number, label in rows.items():
            try:
                mask = rle.decode(label.runs, size)
            except rle.RleError as error:
                issues.append(invalid_runs(table, label, error))
                continue
            shared = bits[mask]
            if shared.any():
                issues.append(_overlap(table, label, shared, rows))
            bits[mask] |= 1 << number
        return bits, issues

    return LabelledImage(name, path, "", labels, lambda c: (table, rows[c].line))


def _overlap(table: Path, label: Label, shared: Bits, rows: dict[int, Label]) -> Issue:
    present = int(np.bitwise_or.reduce(shared))
    others = [f"{rows[c].class_id} (row {rows[c].line})" for c in rows if present >> c & 1]
    text = (
        f"{label.image}: {np.count_nonzero(shared)} pixels of class {label.class_id} are also of "
        f"class {' and '.join(others)}"
    )
    return Issue("overlapping classes", table, label.line, text)


def _survey_masks(images: Path, masks: Path, classes: tuple[str, ...] | None) -> Survey:
    subjects, issues = [], []
    for part in _parts(images, masks):
        found, unpaired = _pairs(images / part, masks / part)
        issues += unpaired
        for stem, path in found.items():
            mask = masks / part / f"{stem}.png"
            subjects.append(_masked(part, path, mask, classes))
    return Survey("mask_folder", classes, subjects, issues, one_size=False)


def _pairs(pictures: Path, labels: Path) -> tuple[dict[str, Path], list[Issue]]:
    """The images by the names of their masks; a folder may be absent."""
    if not labels.is_dir():
        text = f"there is no such folder for the images in {pictures}"
        found = {path.stem: path for path in sorted(pictures.iterdir()) if may_be_image(path)}
        return found, [Issue("missing folder", labels, None, text)]
    if not pictures.is_dir():
        text = f"there is no such folder for the masks in {labels}"
        return {}, [Issue("missing folder", pictures, None, text)]
    found, issues = pair(pictures, labels)
    alone = [
        Issue("mask without image", path, None, f"there is no image {path.stem}")
        for path in sorted(labels.glob("*.png"))
        if path.stem not in found and not path.name.startswith(".")
    ]
    return found, issues + alone


def _parts(images: Path, masks: Path) -> list[str]:
    """The subfolders that hold the set, "" where it lies in the folders themselves."""
    inner, labels = _folders(images), _folders(masks)
    if any(may_be_image(path) for path in images.iterdir()) or not inner | labels:
        return ["", *sorted(inner & labels)]
    return sorted(inner | labels)


def _folders(folder: Path) -> set[str]:
    return {
        path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    }


def _masked(part: str, path: Path, mask: Path, classes: tuple[str, ...] | None) -> LabelledImage:
    name = f"{part}/{path.name}" if part else path.name
    most = MOST_CLASSES if classes is None else len(classes)
    named = "a mask has at most 8 classes" if classes is None else f"{most} classes are named"

    def labels(size: Size | None) -> Reading:
        if not mask.is_file():
            return None, []  # the survey has said so
        values, issues = read_mask(mask, size, most, named)
        return None if values is None else bits_of(values), issues

    return LabelledImage(name, path, part, labels, lambda c: (mask, None))
