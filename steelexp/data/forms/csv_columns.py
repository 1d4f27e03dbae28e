"""The loose forms of train.csv: which columns hold image, class and runs."""

import re
from pathlib import Path
from typing import NamedTuple

from steelexp.data.csv_file import CsvFileError, read_csv
from steelexp.data.issue import Issue
from steelexp.data.severstal import CLASSES as SEVERSTAL_CLASSES
from steelexp.data.severstal import HEADERS

IMAGE = ("imageid", "image", "imagename", "imgid", "img", "filename", "file", "id")
CLASS = ("classid", "class", "classname", "label", "category", "defect", "defectid")
RUNS = ("encodedpixels", "rle", "runs", "mask", "segmentation", "rlemask", "encodedmask", "pixels")
BOTH = ("imageidclassid", "imageclassid", "imageclass")
EMPTY = ("", "nan", "na", "n/a", "none", "null", "-1")
"""Words for an empty mask, in lower case."""

FIRST_ROWS = 100
"""Rows that tell whether a table is Severstal's."""

EXCEL_CELL = 32767
"""Characters of a cell that Excel and LibreOffice keep; they cut the rest without a word."""

CUT_CELL = f"a cell of exactly {EXCEL_CELL:,} characters, the most that Excel keeps of one"

DELIMITERS = (",", ";", "\t", "|")
_INDEX = re.compile(r"(unnamed:? ?\d*|index|level_0|)")


class Row(NamedTuple):
    """One mask of the table."""

    line: int
    image: str
    class_name: str
    runs: str


class Table(NamedTuple):
    """The content of a table.

    Attributes:
        rows: Masks, empty ones included.
        issues: Reasons why rows, or the table, cannot be read.
    """

    rows: list[Row]
    issues: list[Issue]


class _Columns(NamedTuple):
    """Positions of the columns; either `classes`, `both`, or `class_name` is used.

    Attributes:
        image: Column of the image.
        class_name: Column of the class; None if there is none.
        runs: Column of the runs; None in the wide form.
        classes: Class by its column in the wide form.
        is_joined: Whether `image` holds image and class, with "_" between.
    """

    image: int
    class_name: int | None
    runs: int | None
    classes: dict[int, str]
    is_joined: bool


def read_csv_table(path: Path) -> Table:
    """Read a table of masks in any of the loose forms.

    Args:
        path: Path of the table: columns of image, class and runs; of image and class joined by "_",
            and runs; or of image and one column of runs for each class. An index in front, and ";",
            tab or "|" instead of commas are understood.
    """
    try:
        names, table_rows = read_csv(path, _delimiter)
    except CsvFileError as error:
        return Table([], [Issue("unreadable table", path, None, str(error))])
    cells = [(line, row) for line, row in table_rows if any(cell.strip() for cell in row)]
    columns = _find_columns(names)
    if isinstance(columns, str):
        return Table([], [Issue("wrong header", path, 1, columns)])
    rows: list[Row] = []
    issues: list[Issue] = []
    for line, row in cells:
        if len(row) != len(names):
            text = f"{len(row)} cells, the header has {len(names)}"
            issues.append(Issue("malformed row", path, line, text))
        elif any(len(cell) == EXCEL_CELL for cell in row):
            issues.append(Issue("cut cell", path, line, CUT_CELL))
        else:
            rows += _masks(line, row, columns)
    issues += [
        Issue("malformed row", path, row.line, f"no image or no class: {row.image!r}")
        for row in rows
        if not row.image or (row.runs and not row.class_name)
    ]
    # A row without class and runs is a clean image, as a join with all images writes it.
    return Table([row for row in rows if row.image and row.class_name], issues)


def is_loose(path: Path) -> bool:
    """Whether a table has columns of image, class and runs that are not Severstal's.

    Other than Kaggle's are the columns, or all classes among the first rows.
    """
    try:
        header, rows = read_csv(path, _delimiter, rows=FIRST_ROWS)
    except CsvFileError:
        return False
    columns = _find_columns(header)
    if isinstance(columns, str) or header not in HEADERS:
        return not isinstance(columns, str)
    masks = [mask for _, row in rows if len(row) == len(header) for mask in _masks(0, row, columns)]
    return bool(masks) and not any(mask.class_name in SEVERSTAL_CLASSES for mask in masks)


def _delimiter(header: str) -> str:
    """The delimiter that the header has most of."""
    return max(DELIMITERS, key=header.count)


def _masks(line: int, cells: list[str], columns: _Columns) -> list[Row]:
    image = cells[columns.image].strip()
    if columns.runs is None:
        return [Row(line, image, c, _runs(cells[k])) for k, c in columns.classes.items()]
    runs = _runs(cells[columns.runs])
    if columns.is_joined:
        image, _, class_name = image.rpartition("_")
    else:
        class_name = "" if columns.class_name is None else cells[columns.class_name]
    return [Row(line, image, _class_name(class_name), runs)]


def _runs(cell: str) -> str:
    return "" if cell.strip().lower() in EMPTY else cell.strip()


def _class_name(cell: str) -> str:
    """A class as text; pandas writes the whole numbers of a column with gaps as 1.0."""
    name = re.sub(r"^(\d+)\.0+$", r"\1", cell.strip())
    return "" if name.lower() in EMPTY else name


def _find_columns(names: list[str]) -> _Columns | str:
    """The columns of a header, or why they are not known."""
    keys = [re.sub(r"[\s_\-]", "", name).lower() for name in names]
    raw = [name.strip().lower() for name in names]
    present_names = ", ".join(names)[:80] or "absent"
    first = 1 if len(names) > 1 and _INDEX.fullmatch(raw[0]) else 0
    image, class_name, runs, joined = (
        [k for k in range(first, len(keys)) if keys[k] in options]
        for options in (IMAGE, CLASS, RUNS, BOTH)
    )
    if len(joined) == 1 and len(runs) == 1 and len(names) - first == 2:
        return _Columns(joined[0], None, runs[0], {}, is_joined=True)
    if len(image) == 1 and len(runs) == 1 and len(class_name) == 1 and len(names) - first == 3:
        return _Columns(image[0], class_name[0], runs[0], {}, is_joined=False)
    if len(image) == 1 and not class_name and not runs and len(names) - first > 1:
        classes = {k: _class_name(names[k]) for k in range(first, len(names)) if k != image[0]}
        if len(set(classes.values())) == len(classes) and all(classes.values()):
            return _Columns(image[0], None, None, classes, is_joined=False)
    return (
        f"the columns are {present_names}; needed are ImageId, ClassId and EncodedPixels, or "
        "ImageId_ClassId and EncodedPixels, or ImageId and one column for each class"
    )
