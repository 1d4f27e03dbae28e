"""Tables of comma-separated values: one way to read them, with the line number of each row."""

import csv
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from steelexp.errors import reason

LARGEST_CELL = 2**24
"""Characters of a cell at most: the runs of a noisy mask take 2 MB, and csv stops at 128 kB."""


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
        CsvFileError: The file cannot be read, is not UTF-8 text, or a cell is too long.
    """
    csv.field_size_limit(LARGEST_CELL)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            delimiter = delimiter_of(first) if delimiter_of else ","
            reader = csv.reader(itertools.chain([first], file), delimiter=delimiter)
            header = next(reader, [])
            cells = [(reader.line_num, row) for row in itertools.islice(reader, rows) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        message = f"not a readable table of UTF-8 text ({reason(error)})"
        raise CsvFileError(message) from error
    return CsvFile(header, cells)
