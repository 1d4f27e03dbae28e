"""Tables of comma-separated values: one way to read them, with the line number of each row."""

import csv
import io
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from steelexp.errors import reason
from steelexp.limits import TABLE_BYTES, TABLE_COLUMNS, TABLE_LINE, TABLE_ROWS
from steelexp.regular_file import open_regular


class CsvFileError(Exception):
    """A file is no table; the message has no path, since callers report it in several ways."""


class CsvFile(NamedTuple):
    """Content of a table.

    Attributes:
        header: Cells of the first row; none in an empty file.
        rows: Line number and cells of each other row that is not blank.
    """

    header: list[str]
    rows: list[tuple[int, list[str]]]


def read_csv(
    path: Path, delimiter_of: Callable[[str], str] | None = None, *, rows: int | None = None
) -> CsvFile:
    """Read a table of UTF-8 text, with a byte-order mark or without.

    Args:
        path: Path of the table.
        delimiter_of: Function from the first line to the delimiter; None for commas.
        rows: Number of rows to read after the header, blank ones included; None for all.

    Raises:
        CsvFileError: The file cannot be read, is not UTF-8 text, or is beyond a limit (limits.py).
    """
    csv.field_size_limit(TABLE_LINE)
    try:
        binary = open_regular(path, TABLE_BYTES)
        with io.TextIOWrapper(binary, newline="", encoding="utf-8-sig") as file:
            lines = _lines(file)
            first = next(lines, "")
            delimiter = delimiter_of(first) if delimiter_of else ","
            reader = csv.reader(itertools.chain([first], lines), delimiter=delimiter)
            header = next(reader, [])
            _check_columns(header, 1)
            cells = list(_rows(reader, rows))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        message = f"not a readable table of UTF-8 text ({reason(error)})"
        raise CsvFileError(message) from error
    return CsvFile(header, cells)


def _lines(file: TextIO) -> Iterator[str]:
    """The lines of a file; a longer one is not read to its end."""
    number = 0
    while line := file.readline(TABLE_LINE + 1):
        number += 1
        if len(line) > TABLE_LINE:
            raise CsvFileError(f"line {number}: more than {TABLE_LINE:,} characters; split the row")
        yield line


def _rows(reader: Any, rows: int | None) -> Iterator[tuple[int, list[str]]]:
    for count, row in enumerate(itertools.islice(reader, rows), start=1):
        _check_columns(row, reader.line_num)
        if count > TABLE_ROWS:
            raise CsvFileError(f"more than {TABLE_ROWS:,} rows; split the table")
        if row:
            yield reader.line_num, row


def _check_columns(row: list[str], line: int) -> None:
    if len(row) > TABLE_COLUMNS:
        raise CsvFileError(
            f"line {line}: {len(row):,} cells, and at most {TABLE_COLUMNS} are read; remove the "
            "columns that are not needed"
        )
