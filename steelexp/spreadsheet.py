"""Tables of comma-separated values that a spreadsheet shows and does not calculate.

A spreadsheet takes a cell that begins with = + - or @ as a formula, also where a name of a file or
a class begins so. There are three kinds of tables.

Tables to be read, such as defects.csv and comparison.csv: such a text gets an apostrophe in front,
by which a spreadsheet takes it as text. Numbers stay numbers.

Tables that steelexp reads back, split.csv and images.csv: the same, and reading takes the
apostrophe off again.

Tables in a form of others, submission.csv and train.csv: names stay as they are, because other
programs look for files of these names. A line names the first one that is taken as a formula.

Source: https://owasp.org/www-community/attacks/CSV_Injection.
"""

import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

# Full-width signs too: spreadsheets of East Asian languages take them for the narrow ones. With
# apostrophes in front, so that one more of them can always be taken off again.
_FORMULA = re.compile(r"'*[ \u3000]*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_SPECIAL = re.compile(r"[,;\t\r\n\"]")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def is_formula(text: str) -> bool:
    """Whether a spreadsheet may calculate a text, or whether it looks like one that was guarded."""
    return _FORMULA.match(text) is not None and _NUMBER.fullmatch(text) is None


def guarded(value: Any) -> Any:
    """A cell as a spreadsheet takes it for text: "=1+1" becomes "'=1+1".

    Args:
        value: Text, or a number, which stays as it is.
    """
    return f"'{value}" if isinstance(value, str) and is_formula(value) else value


def original(cell: str) -> str:
    """The text of a cell that was guarded; the inverse of `guarded`."""
    return cell[1:] if cell.startswith("'") and is_formula(cell[1:]) else cell


class TableWriter:
    """Writes rows of comma-separated values.

    Python's own writer leaves a carriage return unquoted before Python 3.13, and readers then see
    a new row. A semicolon is quoted too, since spreadsheets of some languages divide cells there.

    Args:
        stream: Text file, opened with newline="".
        end: End of a line.
        verbatim: Whether texts stay as they are, for a table in a form of others.
    """

    def __init__(self, stream: IO[str], *, end: str = "\n", verbatim: bool = False) -> None:
        self._stream = stream
        self._end = end
        self._verbatim = verbatim

    def write_row(self, row: Iterable[Any]) -> None:
        """Write one row: numbers in full, nothing for None."""
        cells = [_quoted(value if self._verbatim else guarded(value)) for value in row]
        self._stream.write((",".join(cells) if cells != [""] else '""') + self._end)

    def write_rows(self, rows: Iterable[Iterable[Any]]) -> None:
        """Write several rows."""
        for row in rows:
            self.write_row(row)


def csv_text(rows: Iterable[Iterable[Any]], *, end: str = "\n", verbatim: bool = False) -> str:
    """A whole table as text, the header its first row; see `TableWriter`."""
    text = io.StringIO(newline="")
    TableWriter(text, end=end, verbatim=verbatim).write_rows(rows)
    return text.getvalue()


def _quoted(value: Any) -> str:
    text = "" if value is None else str(value)
    return '"{}"'.format(text.replace('"', '""')) if _SPECIAL.search(text) else text


def formula_lines(file: Path, names: Sequence[str]) -> list[str]:
    """A line if names of a table in a form of others are taken as formulas.

    Args:
        file: The table.
        names: Names of images and classes in it.
    """
    formulas = [name for name in names if is_formula(name)]
    line = (
        f"{file}: a spreadsheet would calculate {len(formulas)} of its names, such as "
        f"{', '.join(formulas[:1])}; open it there with all columns as text"
    )
    return [line] if formulas else []
