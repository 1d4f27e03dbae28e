r"""JSON lines: the one way in which journals are appended to and read.

A line is a JSON object with the key "check" as its last, a hash of the line and of the check before
it. The first line's check begins with the journal's identity. So a line that was changed, dropped,
repeated, moved or taken from another journal is noticed. Whole lines that are missing at the end
are not: they are an earlier state of the journal.

    {"epoch": 1, "step": 12, "check": "6c1c4d1c4c5c2b4e"}

An entry is there once its line end is on disk. Text behind the last line end was torn by a kill:
readers leave it out, and the next append cuts it off. Every whole line has to be an entry; one that
is not was not left by a kill and is an error, wherever it stands. The owner of a journal may
`repair` it: what cannot be read is kept in a file beside it, and the journal goes on before it.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import Any, BinaryIO, Final, Generic, NamedTuple, TypeVar

from steelexp.checksum import short_hash
from steelexp.errors import UserError, explain_read_errors, name_path, reason
from steelexp.limits import JOURNAL_BYTES
from steelexp.records.atomic import (
    give_second_name,
    make_folder,
    sync,
    sync_open,
    write_atomically,
)
from steelexp.regular_file import open_regular

T = TypeVar("T")

KEY: Final = "check"
"""Last key of every line."""

_BEFORE = f'"{KEY}": "'.encode()
_CHECK = len(short_hash(b""))
_AFTER = b'"}\n'
_TAIL = len(_BEFORE) + _CHECK + len(_AFTER)  # bytes of a line from its check to its end
_BLOCK = 1 << 16  # bytes read at once while the last line end is looked for


class DamageError(UserError):
    """A line of a journal is not an entry."""


class Line(NamedTuple, Generic[T]):
    """One entry of a journal.

    Attributes:
        start: Byte at which the line begins.
        end: Byte at which the next line begins.
        entry: The parsed line.
    """

    start: int
    end: int
    entry: T


@dataclass(frozen=True)
class JsonLines(Generic[T]):
    """A journal of JSON lines.

    Attributes:
        path: The file; it need not exist.
        parse: Values of a line -> entry; raises ValueError, KeyError or TypeError for any others.
        noun: Name of a line for messages: "an epoch".
        fix: Way out if a line is damaged.
        identity: Owner of the journal, such as the digest of a run.
    """

    path: Path
    parse: Callable[[Any], T]
    noun: str
    fix: str
    identity: str = ""

    def append(self, *values: Mapping[str, Any]) -> int:
        """Append objects, one line each; they are on disk when this returns.

        Without values it cuts off a torn last line.

        Returns:
            Byte at which the first of the new lines begins.

        Raises:
            OSError: The disk takes no more; nothing is appended.
            DamageError: The last line has no check to go on from.
        """
        make_folder(self.path.parent)
        is_new = not self.path.exists()
        with name_path(self.path), self.path.open("a+b", buffering=0) as stream:
            start = _end_of_last_line(stream)
            stream.truncate(start)
            content = _lines(values, self._check_before(stream, start))
            try:
                _write_all(stream, content)
                sync_open(stream.fileno())
            except OSError:
                stream.truncate(start)
                raise
            if is_new:
                sync(self.path.parent)
        return start

    def read(self, start: int = 0) -> Iterator[Line[T]]:
        """Read the whole lines, also while another process appends.

        Args:
            start: Byte at which a line begins; the `end` of the last line read goes on from there.

        Raises:
            DamageError: A line is not an entry.
        """
        if not self.path.exists():
            return
        with self._open() as stream:
            check = self._check_before(stream, start)
            stream.seek(start)
            for text in stream:
                if not text.endswith(b"\n"):
                    return
                entry, check = self._parsed(text, start, check)
                yield Line(start, start + len(text), entry)
                start += len(text)

    def entries(self) -> list[T]:
        """Every entry, in order."""
        return [line.entry for line in self.read()]

    def entry_at(self, start: int) -> T:
        """The entry of the line that begins at a byte."""
        with self._open() as stream:
            check = self._check_before(stream, start)
            stream.seek(start)
            return self._parsed(stream.readline(), start, check)[0]

    def repair(self) -> str | None:
        """Keep a damaged journal beside and go on before its first damaged line.

        Returns:
            A line that says so; None where nothing is damaged.
        """
        end = 0
        try:
            for line in self.read():
                end = line.end
        except DamageError as error:
            content = self.path.read_bytes()
            aside = self.keep_aside()
            write_atomically(self.path, content[:end])
            count = content[end:].count(b"\n")
            why = str(error).removesuffix(f"; {self.fix}")
            note = f"The damaged journal is kept as {aside.name}"
            return f"{why}. {note}. Lines left out from there on: {count}"
        return None

    def rewrite(self, values: Iterable[Mapping[str, Any]]) -> None:
        """Write the whole journal anew, atomically."""
        write_atomically(self.path, _lines(values, self.identity.encode()))

    def keep_aside(self) -> Path:
        """Give the journal, damaged as it is, a new name as well; write it anew afterwards.

        Its bytes are not read, because a bad sector may be among them.
        """
        aside = _free_name(self.path)
        give_second_name(self.path, aside)
        return aside

    def damage(self, start: int, why: str) -> DamageError:
        """The error about the line that begins at a byte."""
        with self._open() as stream:
            number = stream.read(start).count(b"\n") + 1
        return DamageError(f"{self.path}:{number}: not {self.noun} ({why}); {self.fix}")

    @contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        fix = "make it readable for this account"
        with explain_read_errors(self.path, fix), open_regular(self.path, JOURNAL_BYTES) as stream:
            yield stream

    def _check_before(self, stream: Any, start: int) -> bytes:
        """The check that the line at a byte goes on from."""
        if start == 0:
            return self.identity.encode()
        stream.seek(max(0, start - _CHECK - len(_AFTER)))
        return bytes(stream.read(_CHECK))

    def _parsed(self, text: bytes, start: int, before: bytes) -> tuple[T, bytes]:
        """Entry and check of a line.

        Args:
            text: The line with its end.
            start: Byte at which it begins.
            before: Check that it goes on from.
        """
        try:
            values = json.loads(text)
            if not isinstance(values, dict):
                raise ValueError(f"{type(values).__name__} in place of an object")
            check = values.pop(KEY)
            if text != _line(text[:-_TAIL], before):
                raise ValueError("it does not go on from the line before")
            return self.parse(values), check.encode()
        except KeyError as error:
            raise self.damage(start, f"unknown or missing: {error}") from None
        except (ValueError, TypeError, RecursionError) as error:
            raise self.damage(start, reason(error)) from None


def first_check(path: Path) -> str | None:
    """The check of a journal's first line, which tells it from others; None without one."""
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        line = stream.readline()
    return line[-_TAIL:][len(_BEFORE) : -len(_AFTER)].decode("ascii", errors="replace")


def _lines(values: Iterable[Mapping[str, Any]], check: bytes) -> bytes:
    lines = []
    for each in values:
        body = json.dumps(each).encode().removesuffix(b"}")
        line = _line(body + b", " if each else body, check)
        check = line[-_TAIL:][len(_BEFORE) : -len(_AFTER)]
        lines.append(line)
    return b"".join(lines)


def _line(body: bytes, before: bytes) -> bytes:
    """A line with its end.

    Args:
        body: The line as far as its check.
        before: Check of the line before, or the journal's identity.
    """
    return body + _BEFORE + short_hash(before + b" " + body).encode() + _AFTER


def _free_name(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    return aside


def _end_of_last_line(stream: BinaryIO) -> int:
    """Byte behind the last line end of a file that is open for reading."""
    end = stream.seek(0, os.SEEK_END)
    while end > 0:
        start = max(0, end - _BLOCK)
        stream.seek(start)
        if (place := stream.read(end - start).rfind(b"\n")) >= 0:
            return start + place + 1
        end = start
    return 0


def _write_all(stream: RawIOBase, content: bytes) -> None:
    """Write with one call as a rule; a short write goes on, and so raises what cut it short."""
    while content:
        content = content[stream.write(content) :]
