"""The images of a data set and their labels; problems become issues instead of errors.

Severstal's layout is root/train.csv and root/train_images/. The other layout is root/images/ and
root/masks/ or root/annotations/; their subfolders, if any, are the parts of the set's own split.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steelexp.data import rle
from steelexp.data.dataset import Bits, DataError
from steelexp.data.issue import Issue
from steelexp.data.mask_folder import is_image_file, pair_images, read_mask, to_bits
from steelexp.data.severstal import (
    CLASSES,
    HEADERS,
    Label,
    LabelTable,
    find_missing_images,
    index_labels,
    invalid_runs_issue,
    list_images,
    read_table,
)

Size = tuple[int, int]
LabelReading = tuple[Bits | None, list[Issue]]
"""The mask of an image, None if it cannot be read, and its issues."""

MASKS = ("masks", "annotations")
MOST_CLASSES = 8  # the bits of a mask
OTHER_FORMATS = (".tif", ".tiff", ".webp", ".gif", ".jp2")
UNBOUNDED = 10**15  # pixels, more than valid runs can reach


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
        layout: "severstal" or "mask_folder".
        classes: Class names; None if only the values of the masks are known.
        images: All images.
        issues: Issues of tables, names and folders.
        one_size: Whether all images should have the same size.
    """

    layout: str
    classes: tuple[str, ...] | None
    images: list[LabelledImage]
    issues: list[Issue]
    one_size: bool


def survey(root: Path, classes: tuple[str, ...] | None) -> Survey:
    """Find the layout and the images of a data set.

    Args:
        root: Root folder of the data set.
        classes: Names of the mask values 1, 2, ...; None for any value up to 8.

    Raises:
        DataError: The folder has neither layout, or classes are named although train.csv numbers
            them.
    """
    if not root.is_dir():
        raise DataError(f"{root}: there is no such folder")
    table = root / "train.csv"
    images_dir = root / "train_images"
    if table.is_file() and images_dir.is_dir():
        if classes is not None:
            raise DataError(f"--classes: {table} numbers its classes itself; leave them out")
        return _survey_severstal(table, images_dir)
    masks = next((root / name for name in MASKS if (root / name).is_dir()), None)
    if masks is not None and (root / "images").is_dir():
        _check_names(classes or ())
        return _survey_masks(root / "images", masks, classes)
    content = ", ".join(sorted(path.name for path in root.iterdir())[:5]) or "nothing"
    raise DataError(
        f"{root}: not a data set: it needs train.csv beside train_images/, or images/ beside "
        f"masks/ or annotations/ (it holds {content})"
    )


def _check_names(classes: tuple[str, ...]) -> None:
    if len(set(classes)) < len(classes) or len(classes) > MOST_CLASSES or "" in classes:
        raise DataError(
            f"--classes {','.join(classes)}: up to {MOST_CLASSES} different names, between commas"
        )


def _survey_severstal(table: Path, images_dir: Path) -> Survey:
    content = read_table(table)
    files = list_images(images_dir)
    rows = index_labels(table, content.labels, lambda image: UNBOUNDED)
    issues = [
        *content.issues,
        *find_missing_images(table, content.labels, images_dir, files),
        *rows.issues,
        *_form_issues(table, content, files),
        *_unread_files(images_dir),
    ]
    images = [
        _severstal_image(name, path, table, rows.labels.get(name, {}) if content.columns else None)
        for name, path in files.items()
    ]
    return Survey("severstal", CLASSES, images, issues, one_size=True)


def _form_issues(table: Path, content: LabelTable, files: Iterable[str]) -> Iterator[Issue]:
    """Empty masks in the form of one row per mask; missing rows in the form of one per class."""
    empty = [label for label in content.labels if not label.runs.strip()]
    if content.columns == HEADERS[0]:
        for label in empty:
            text = f"{label.image}: class {label.class_id}: no runs"
            yield Issue("empty mask", table, label.line, text)
    elif empty:
        lines: dict[str, dict[str, int]] = {}
        for label in content.labels:
            lines.setdefault(label.image, {})[label.class_id] = label.line
        for image in files:
            absent = [c for c in CLASSES if c not in lines.get(image, {})]
            if absent:
                line = min(lines.get(image, {"": 0}).values()) or None
                text = f"{image}: no row for class {', '.join(absent)}"
                yield Issue("missing row", table, line, text)


def _unread_files(images_dir: Path) -> list[Issue]:
    return [
        Issue("unread file", path, None, f"images of type {path.suffix} are not read")
        for path in sorted(images_dir.iterdir())
        if path.suffix.lower() in OTHER_FORMATS
    ]


def _severstal_image(
    name: str, path: Path, table: Path, labels: dict[int, Label] | None
) -> LabelledImage:
    """An image of train.csv; `labels` is None if the table cannot be read."""
    rows = labels or {}

    def read_labels(size: Size | None) -> LabelReading:
        if size is None or labels is None:
            return None, []
        bits = np.zeros(size, np.uint8)
        issues = []
        for number, label in rows.items():
            try:
                mask = rle.decode(label.runs, size)
            except rle.RleError as error:
                issues.append(invalid_runs_issue(table, label, error))
                continue
            overlap = bits[mask]
            if overlap.any():
                issues.append(_overlap_issue(table, label, overlap, rows))
            bits[mask] |= 1 << number
        return bits, issues

    return LabelledImage(name, path, "", read_labels, lambda c: (table, rows[c].line))


def _overlap_issue(table: Path, label: Label, overlap: Bits, rows: dict[int, Label]) -> Issue:
    present = int(np.bitwise_or.reduce(overlap))
    others = [f"{rows[c].class_id} (row {rows[c].line})" for c in rows if present >> c & 1]
    text = (
        f"{label.image}: {np.count_nonzero(overlap)} pixels of class {label.class_id} are also of "
        f"class {' and '.join(others)}"
    )
    return Issue("overlapping classes", table, label.line, text)


def _survey_masks(images: Path, masks: Path, classes: tuple[str, ...] | None) -> Survey:
    labelled_images = []
    issues = []
    for part in _parts(images, masks):
        by_stem, part_issues = _pair_part(images / part, masks / part)
        issues += part_issues
        for stem, path in by_stem.items():
            mask = masks / part / f"{stem}.png"
            labelled_images.append(_masked_image(part, path, mask, classes))
    return Survey("mask_folder", classes, labelled_images, issues, one_size=False)


def _pair_part(images_dir: Path, masks_dir: Path) -> tuple[dict[str, Path], list[Issue]]:
    """Images by the stem that they share with their mask; a folder may be missing."""
    if not masks_dir.is_dir():
        text = f"there is no such folder for the images in {images_dir}"
        by_stem = {path.stem: path for path in sorted(images_dir.iterdir()) if is_image_file(path)}
        return by_stem, [Issue("missing folder", masks_dir, None, text)]
    if not images_dir.is_dir():
        text = f"there is no such folder for the masks in {masks_dir}"
        return {}, [Issue("missing folder", images_dir, None, text)]
    by_stem, issues = pair_images(images_dir, masks_dir)
    unmatched = [
        Issue("mask without image", path, None, f"there is no image {path.stem}")
        for path in sorted(masks_dir.glob("*.png"))
        if path.stem not in by_stem and not path.name.startswith(".")
    ]
    return by_stem, issues + unmatched


def _parts(images: Path, masks: Path) -> list[str]:
    """The subfolders with images, "" for the folders themselves."""
    inner = _folders(images)
    labels = _folders(masks)
    if any(is_image_file(path) for path in images.iterdir()) or not inner | labels:
        return ["", *sorted(inner & labels)]
    return sorted(inner | labels)


def _folders(folder: Path) -> set[str]:
    return {
        path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    }


def _masked_image(
    part: str, path: Path, mask: Path, classes: tuple[str, ...] | None
) -> LabelledImage:
    name = f"{part}/{path.name}" if part else path.name
    most = MOST_CLASSES if classes is None else len(classes)
    reason = "a mask has at most 8 classes" if classes is None else f"{most} classes are named"

    def read_labels(size: Size | None) -> LabelReading:
        if not mask.is_file():
            return None, []  # already an issue of the survey
        values, issues = read_mask(mask, size, most, reason)
        return None if values is None else to_bits(values), issues

    return LabelledImage(name, path, part, read_labels, lambda c: (mask, None))
