"""The tables of a prediction, written row by row in one pass over its journal."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from steelexp.inference import submission
from steelexp.inference.defects import LENGTHS, Defect
from steelexp.inference.journal import Entry
from steelexp.records.atomic import replacing
from steelexp.spreadsheet import TableWriter, is_formula

Row = Sequence[Any]
Add = Callable[[Row], None]

DEFECTS = "defects.csv"
PARQUET = "defects.parquet"
HEAD_SCORES = "head_scores.csv"
ERRORS = "errors.csv"
SUBMISSION = "submission.csv"
SUBMISSION_2019 = "submission_2019.csv"

ROW_GROUP = 4096  # rows per group of the parquet file


@dataclass
class ClassSummary:
    """Number of images and defects of a class, their area, and the longest defect."""

    images: int = 0
    defects: int = 0
    area: int = 0
    longest: float = 0.0


@dataclass
class Summary:
    """Summary of a prediction.

    Attributes:
        images: Number of predicted images.
        clean: Number of these without a defect.
        errors: Path and reason of each image that could not be predicted.
        classes: Summary by class name.
        pixels: [S][C] predicted pixels of all images.
        formulas: Names of images that a spreadsheet would calculate, in the submissions.
    """

    images: int = 0
    clean: int = 0
    errors: list[tuple[str, str]] = field(default_factory=list)
    classes: dict[str, ClassSummary] = field(default_factory=dict)
    pixels: list[list[int]] = field(default_factory=list)
    formulas: list[str] = field(default_factory=list)


def write_tables(
    entries: Iterable[Entry],
    classes: Sequence[str],
    out: Path,
    *,
    mm_per_pixel: float | None,
    has_head: bool = False,
) -> Summary:
    """Write defects, submissions and, if there are any, errors and the scores of a head.

    Args:
        entries: Entries of the images, in the order of the rows.
        classes: [C] class names.
        out: Folder of the tables.
        mm_per_pixel: Scale for columns in millimetres; None for pixels only.
        has_head: Whether the network has a classification head.
    """
    summary = Summary(classes={label: ClassSummary() for label in classes})
    with ExitStack() as files:
        columns = defect_columns(mm_per_pixel)
        defect_writers = [
            files.enter_context(_csv(out / DEFECTS, columns)),
            files.enter_context(_parquet(out / PARQUET, columns)),
        ]
        write_current = files.enter_context(
            _csv(out / SUBMISSION, submission.CURRENT, verbatim=True)
        )
        write_2019 = files.enter_context(
            _csv(out / SUBMISSION_2019, submission.OF_2019, verbatim=True)
        )
        add_head_scores = None
        if has_head:
            add_head_scores = files.enter_context(_csv(out / HEAD_SCORES, ("image", *classes)))
        for entry in entries:
            name = _printable(entry.image)
            summary.formulas += [name] if is_formula(name) else []
            for defect in entry.defects:
                row = defect_row(name, defect, mm_per_pixel)
                for add in defect_writers:
                    add(row)
            if add_head_scores is not None and not entry.error:
                add_head_scores([name, *(entry.image_scores[label] for label in classes)])
            for current in submission.current_rows(name, entry.runs, classes):
                write_current(current)
            for old in submission.rows_of_2019(name, entry.runs, classes):
                write_2019(old)
            _count(summary, entry)
    _write_errors(summary, out)
    return summary


def defect_columns(mm_per_pixel: float | None) -> dict[str, type]:
    """Names and types of the columns of defects.csv."""
    columns: dict[str, type] = {"image": str}
    units = {"area": "_px", "orientation": "_deg"} | dict.fromkeys(LENGTHS, "_px")
    for name, kind in Defect.__annotations__.items():
        columns["class" if name == "label" else name + units.get(name, "")] = kind
    if mm_per_pixel is not None:
        columns |= {"area_mm2": float} | {f"{name}_mm": float for name in LENGTHS}
    return columns


def defect_row(image: str, defect: Defect, mm_per_pixel: float | None) -> list[Any]:
    """One row of defects.csv."""
    row = [image, *defect]
    if mm_per_pixel is not None:
        row.append(round(defect.area * mm_per_pixel**2, 4))
        row += [round(getattr(defect, name) * mm_per_pixel, 4) for name in LENGTHS]
    return row


def _count(summary: Summary, entry: Entry) -> None:
    """Add an entry to the summary."""
    pixels = dict.fromkeys(summary.classes, 0)
    for defect in entry.defects:
        totals = summary.classes[defect.label]
        totals.images += defect.component == 1
        totals.defects += 1
        totals.area += defect.area
        totals.longest = max(totals.longest, defect.length)
        pixels[defect.label] += defect.area
    summary.pixels.append(list(pixels.values()))
    if entry.error:
        summary.errors.append((_printable(entry.path), entry.error))
    else:
        summary.images += 1
        summary.clean += not entry.defects


def _write_errors(summary: Summary, out: Path) -> None:
    if not summary.errors:
        (out / ERRORS).unlink(missing_ok=True)
        return
    with _csv(out / ERRORS, ("image", "reason")) as add:
        for row in summary.errors:
            add(row)


@contextmanager
def _csv(path: Path, columns: Iterable[str], *, verbatim: bool = False) -> Iterator[Add]:
    """A CSV file that is written atomically, row by row.

    Args:
        path: Path of the file.
        columns: Names of the columns.
        verbatim: Whether names stay as they are, for Kaggle, which looks for images by them.
    """
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as stream:
        writer = TableWriter(stream, verbatim=verbatim)
        writer.write_row(columns)
        yield writer.write_row


@contextmanager
def _parquet(path: Path, columns: dict[str, type]) -> Iterator[Add]:
    """A parquet file that is written atomically, in groups of rows."""
    import pyarrow as pa  # takes 0.1 s to import
    from pyarrow import parquet

    arrow_types = {str: pa.string(), int: pa.int32(), float: pa.float64()}
    schema = pa.schema([(name, arrow_types[kind]) for name, kind in columns.items()])
    rows: list[Row] = []
    with replacing(path) as partial, parquet.ParquetWriter(partial, schema) as writer:

        def write() -> None:
            values = zip(*rows, strict=True)
            writer.write_batch(
                pa.record_batch([list(column) for column in values], schema=schema)
                if rows
                else pa.RecordBatch.from_pylist([], schema=schema)
            )
            rows.clear()

        def add(row: Row) -> None:
            rows.append(row)
            if len(rows) == ROW_GROUP:
                write()

        yield add
        write()


def _printable(name: str) -> str:
    """A file name as valid UTF-8 text."""
    return name.encode("utf-8", "backslashreplace").decode()
