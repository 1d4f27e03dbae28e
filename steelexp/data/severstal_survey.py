"""The doctor's survey of Severstal's layout: root/train.csv and root/train_images/."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from steelexp.data import rle
from steelexp.data.dataset import Bits
from steelexp.data.forms.csv_columns import CUT_CELL, EXCEL_CELL
from steelexp.data.image_files import list_images
from steelexp.data.issue import Issue
from steelexp.data.severstal import (
    CLASSES,
    HEADERS,
    Label,
    LabelTable,
    find_missing_images,
    index_labels,
    invalid_runs_issue,
    read_table,
)
from steelexp.data.survey import LabelledImage, LabelReading, Size, Survey, listing_issues

UNBOUNDED = 10**15  # pixels, more than valid runs can reach


def is_severstal(root: Path) -> bool:
    """Whether a folder has Severstal's layout."""
    return (root / "train.csv").is_file() and (root / "train_images").is_dir()


def survey_severstal(root: str, *, images: Literal["all", "with_defects"] = "all") -> Survey:
    """Survey Severstal's layout.

    Args:
        root: Folder of train.csv and train_images/.
        images: All strips, or only strips with a defect.
    """
    table = Path(root) / "train.csv"
    images_dir = Path(root) / "train_images"
    content = read_table(table)
    listing = list_images(images_dir)
    files = listing.paths
    rows = index_labels(table, content.labels, lambda image: UNBOUNDED)
    issues = [
        *content.issues,
        *find_missing_images(table, content.labels, images_dir, files),
        *rows.issues,
        *_cut_cells(table, content.labels),
        *_form_issues(table, content, files),
        *listing_issues(listing),
    ]
    labelled = {label.image for label in content.labels if label.runs.strip()}
    labelled_images = [
        _severstal_image(name, path, table, rows.labels.get(name, {}) if content.columns else None)
        for name, path in files.items()
        if images == "all" or name in labelled
    ]
    return Survey("severstal", CLASSES, labelled_images, issues, one_size=True, has_runs=True)


def _cut_cells(table: Path, labels: Iterable[Label]) -> Iterator[Issue]:
    """Runs that a spreadsheet has probably cut; half of the cuts leave runs that can be read."""
    for label in labels:
        if len(label.runs) == EXCEL_CELL:
            yield Issue("cut cell", table, label.line, f"{label.image}: {CUT_CELL}")


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
