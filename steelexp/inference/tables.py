"""The tables of a prediction, written in one pass over its journal, a row at a time."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from steelexp.inference import submission
from steelexp.inference.defects import LENGTHS, Defect
from steelexp.inference.journal import Entry
from steelexp.records.atomic import replacing

Row = Sequence[Any]
Add = Callable[[Row], None]

DEFECTS, PARQUET, ERRORS = "defects.csv", "defects.parquet", "errors.csv"
SUBMISSION, SUBMISSION_2019 = "submission.csv", "submission_2019.csv"

ROW_GROUP = 4096  # rows that are held until they are written to the parquet file


@dataclass
class ClassSummary:
    """What was predicted of one class."""

    images: int = 0
    defects: int = 0
    area: int = 0
    longest: float = 0.0


@dataclass
class Summary:
    """What was predicted.

    Attributes:
        images: how many were read.
        clean: how many of them have no defect.
        errors: image and reason of the others.
        classes: by name.
        pixels: [S][C] of every image that was asked for.
    """

    images: int = 0
    clean: int = 0
    errors: list[tuple[str, str]] = field(default_factory=list)
    classes: dict[str, ClassSummary] = field(default_factory=dict)
    pixels: list[list[int]] = field(default_factory=list)


def write_tables(
    entries: Iterable[Entry], classes: Sequence[str], out: Path, *, mm_per_pixel: float | None
) -> Summary:
    """Write defects, submissions and errors; errors.csv is there only if there are any.

    Args:
        entries: one an image, in the order of the rows.
        classes: [C] names.
        out: the folder.
        mm_per_pixel: where it is given, every measure is there in millimetres, too.
    """
    summary = Summary(classes={label: ClassSummary() for label in classes})
    with ExitStack() as files:
        columns = defect_columns(mm_per_pixel)
        each_defect = [
            files.enter_context(_csv(out / DEFECTS, columns)),
            files.enter_context(_parquet(out / PARQUET, columns)),
        ]
        now = files.enter_context(_csv(out / SUBMISSION, submission.CURRENT))
        then = files.enter_context(_csv(out / SUBMISSION_2019, submission.OF_2019))
        for entry in entries:
            name = _printable(entry.image)
            for defect in entry.defects:
                row = defect_row(name, defect, mm_per_pixel)
                for add in each_defect:
                    add(row)
            for current in submission.current_rows(name, entry.runs, classes):
                now(current)
            for old in submission.rows_of_2019(name, entry.runs, classes):
                then(old)
            _count(summary, entry)
    _write_errors(summary, out)
    return summary


def defect_columns(mm_per_pixel: float | None) -> dict[str, type]:
    """Names and types of the columns of defects.csv."""
    found: dict[str, type] = {"image": str}
    units = {"area": "_px", "orientation": "_deg"} | dict.fromkeys(LENGTHS, "_px")
    for name, kind in Defect.__annotations__.items():
        found["class" if name == "label" else name + units.get(name, "")] = kind
    if mm_per_pixel is not None:
        found |= {"area_mm2": float} | {f"{name}_mm": float for name in LENGTHS}
    return found


def defect_row(image: str, defect: Defect, mm_per_pixel: float | None) -> list[Any]:
    """One row of defects.csv."""
    row = [image, *defect]
    if mm_per_pixel is not None:
        row.append(round(defect.area * mm_per_pixel**2, 4))
        row += [round(getattr(defect, name) * mm_per_pixel, 4) for name in LENGTHS]
    return row


def _count(summary: Summary, entry: Entry) -> None:
    pixels = dict.fromkeys(summary.classes, 0)
    for defect in entry.defects:
        found = summary.classes[defect.label]
        found.images += defect.component == 1
        found.defects += 1
        found.area += defect.area
        found.longest = max(found.longest, defect.length)
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
def _csv(path: Path, columns: Iterable[str]) -> Iterator[Add]:
    """A table that is there whole or not at all."""
    with replacing(path) as beside, beside.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        yield writer.writerow


@contextmanager
def _parquet(path: Path, columns: dict[str, type]) -> Iterator[Add]:
    """The same as parquet, a group of rows at a time."""
    import pyarrow as pa  # 0.1 s that --help and check need not pay
    from pyarrow import parquet

    kinds = {str: pa.string(), int: pa.int32(), float: pa.float64()}
    schema = pa.schema([(name, kinds[kind]) for name, kind in columns.items()])
    held: list[Row] = []
    with replacing(path) as beside, parquet.ParquetWriter(beside, schema) as writer:

        def write() -> None:
            values = zip(*held, strict=True)
            writer.write_batch(
                pa.record_batch([list(column) for column in values], schema=schema)
                if held
                else pa.RecordBatch.from_pylist([], schema=schema)
            )
            held.clear()

        def add(row: Row) -> None:
            held.append(row)
            if len(held) == ROW_GROUP:
                write()

        yield add
        write()


def _printable(name: str) -> str:
    """A file name as text, whatever its bytes."""
    return name.encode("utf-8", "backslashreplace").decode()
