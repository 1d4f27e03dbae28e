"""The file of a split: a table of the part of each image, extended when the data set grows.

image,part,version,added
a.png,train
b.png,val,2,2026-11-28

Rows are never changed. New ones follow the old ones, with the version of the split that they made
and its date. A table image,part is version 1, and so is every row without a version.
"""

import errno
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from steelexp.command_line import shell_word
from steelexp.data.csv_file import CsvFileError, read_csv
from steelexp.data.dataset import DataError, raise_if
from steelexp.data.splits.split import HEADER, PARTS, UNUSED
from steelexp.file_lock import file_lock
from steelexp.records.atomic import replacing
from steelexp.spreadsheet import csv_text, original

VERSION_COLUMNS = ["version", "added"]
HEADERS = (HEADER, [*HEADER, *VERSION_COLUMNS])
_VERSION = re.compile(r"([1-9][0-9]{0,8})(\.0)?")  # pandas writes 2.0 where other rows have none


class SplitTable(NamedTuple):
    """A split that was read from a file.

    Attributes:
        parts: Part of each image.
        versions: Version of the split in which each image came.
    """

    parts: dict[str, str]
    versions: dict[str, int]

    @property
    def version(self) -> int:
        """Version of the split with all of its rows."""
        return max(self.versions.values(), default=1)

    @property
    def shares(self) -> dict[str, float]:
        """Share of each part in the used images of the first version.

        Those of later versions would drift: each extension is rounded to whole groups.
        """
        first = min(self.versions.values(), default=1)
        counts = Counter(part for name, part in self.parts.items() if self.versions[name] == first)
        used = max(sum(counts[part] for part in PARTS), 1)
        return {part: counts[part] / used for part in PARTS}


def read_rows(path: Path, option: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Read the header of a split's table, and its rows with their line numbers; skip blank rows.

    Args:
        path: Path of the table.
        option: Setting or option that names the table, for the message.

    Raises:
        DataError: The file is not a readable table.
    """
    try:
        header, rows = read_csv(path)
    except CsvFileError as error:
        raise DataError(f"{option} {path}: {error}") from error
    if any(row[1:2] == ["tune"] for _, row in rows):
        command = f"sed -i s/,tune/,val/ {shell_word(path)}"
        raise DataError(f"{option} {path}: the part tune of version 0.1 is val now: {command}")
    return header, [(line, [original(row[0]), *row[1:]]) for line, row in rows]


def is_valid(header: Sequence[str], row: Sequence[str]) -> bool:
    """Whether a row has a known part, and the version and date that its header allows."""
    if len(row) not in (len(HEADER), len(header)) or row[1] not in (*PARTS, UNUSED):
        return False
    return len(row) == len(HEADER) or row[2] == "" or bool(_VERSION.fullmatch(row[2]))


def read_table(path: Path, option: str = "split.path:") -> SplitTable:
    """Read the part of each image and its version.

    Args:
        path: Path of the table.
        option: Setting or option that names the table, for the message.

    Raises:
        DataError: The table cannot be read, or rows are invalid; all are listed.
    """
    header, rows = read_rows(path, option)
    if header not in HEADERS:
        raise DataError(f"{path}:1: the columns of a split are {','.join(HEADER)}")
    table = SplitTable({}, {})
    problems = []
    for line, row in rows:
        if not is_valid(header, row):
            allowed = ", ".join((*PARTS, UNUSED))
            text = ",".join(row)[:60]
            problems.append(f"{path}:{line}: {text!r} is not {','.join(header)}; parts: {allowed}")
        elif row[0] in table.parts:
            problems.append(f"{path}:{line}: {row[0]}: a second row for this image")
        else:
            table.parts[row[0]] = row[1]
            version = _VERSION.fullmatch("".join(row[2:3]))
            table.versions[row[0]] = int(version[1]) if version else 1
    raise_if(problems)
    return table


def read_split(path: Path) -> Mapping[str, str]:
    """Read the part of each image.

    Raises:
        DataError: The table cannot be read, or rows are invalid; all are listed.
    """
    return read_table(path).parts


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes from extending a split meanwhile; may be nested.

    Raises:
        OSError: The folder of the file cannot be written.
    """
    real = path.resolve()
    with file_lock(real.with_name(f".{real.name}.lock"), nested=True):
        yield


def append_new_rows(path: Path, parts: Mapping[str, str]) -> int:
    """Append the images that have no row yet, under the lock.

    Args:
        path: Path of the table.
        parts: Part of each image, in the order of the rows.

    Returns:
        Version of the split with all rows.

    Raises:
        DataError: The table cannot be read.
        OSError: The file cannot be written.
    """
    with locked(path):
        table = read_table(path)
        new = {name: part for name, part in parts.items() if name not in table.parts}
        return append_rows(path, new) if new else table.version


def append_rows(path: Path, parts: Mapping[str, str]) -> int:
    """Append rows to a split as its next version; old rows stay byte for byte.

    The caller holds the lock. A killed process leaves the old file or the new one.

    Args:
        path: Path of the table. A link stays, and its target is extended.
        parts: Part of each image, in the order of the rows; not empty, none has a row.

    Returns:
        The new version.

    Raises:
        OSError: The file cannot be written.
    """
    path = path.resolve()
    version = read_table(path).version + 1
    header, _ = read_rows(path, "split.path:")
    first, *lines = path.read_bytes().splitlines(keepends=True)
    end = b"\r\n" if first.endswith(b"\r\n") else b"\n"
    if header == HEADER:
        first = first.rstrip(b"\r\n") + f",{','.join(VERSION_COLUMNS)}".encode() + end
    if lines and not lines[-1].endswith((b"\n", b"\r")):
        lines.append(end)
    today = datetime.now(UTC).date().isoformat()
    rows = ((name, part, version, today) for name, part in parts.items())
    text = csv_text(rows, end=end.decode())
    with replacing(path) as partial:
        partial.write_bytes(b"".join([first, *lines, text.encode()]))
        shutil.copymode(path, partial)
    return version


def check_writable(path: Path) -> None:
    """Raise a system error if a file is marked as read-only; its folder may allow to replace it.

    Raises:
        PermissionError: No account may write the file.
    """
    if not path.stat().st_mode & 0o222:
        raise PermissionError(errno.EACCES, "it is marked as read-only", str(path))
