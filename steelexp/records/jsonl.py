r"""JSON lines: the one way in which journals are appended to and read.

An entry is there once its line end is on disk. Text behind the last line end was torn by a kill:
readers leave it out, and the next append cuts it off. Every whole line has to be an entry; one that
is not was not left by a kill and is an error, wherever it stands.

An unreadable last line with a line end counts as damage too. An append writes the line end last and
returns after fsync, so such a line may have been acknowledged, and dropping it would give its
number to another event.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import Any, BinaryIO, Generic, NamedTuple, TypeVar

from steelexp.errors import UserError, explain_read_errors, name_path, reason

T = TypeVar("T")

_BLOCK = 1 << 16  # bytes read at once while the last line end is looked for


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
        parse: JSON value -> entry; raises ValueError, KeyError or TypeError for any other value.
        noun: What a line is, for messages: "an epoch".
        fix: What the user can do about a damaged line.
    """

    path: Path
    parse: Callable[[Any], T]
    noun: str
    fix: str

    def append(self, *values: Any) -> int:
        """Append values, one line each; they are on disk when this returns.

        Without values it cuts off a torn last line.

        Returns:
            Byte at which the first of the new lines begins.

        Raises:
            OSError: The disk takes no more; nothing is appended.
        """
        content = "".join(json.dumps(value) + "\n" for value in values).encode()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with name_path(self.path), self.path.open("a+b", buffering=0) as stream:
            start = _end_of_last_line(stream)
            stream.truncate(start)
            try:
                _write_all(stream, content)
                os.fsync(stream.fileno())
            except OSError:
                stream.truncate(start)
                raise
        return start

    def read(self, start: int = 0) -> Iterator[Line[T]]:
        """Read the whole lines, also while another process appends.

        Args:
            start: Byte at which a line begins; the `end` of the last line read goes on from there.

        Raises:
            UserError: A line is not an entry.
        """
        if not self.path.exists():
            return
        with self._open() as stream:
            stream.seek(start)
            for text in stream:
                if not text.endswith(b"\n"):
                    return
                yield Line(start, start + len(text), self._parsed(text, start))
                start += len(text)

    def entries(self) -> list[T]:
        """Every entry, in order."""
        return [line.entry for line in self.read()]

    def entry_at(self, start: int) -> T:
        """The entry of the line that begins at a byte."""
        with self._open() as stream:
            stream.seek(start)
            return self._parsed(stream.readline(), start)

    def damage(self, start: int, why: str) -> UserError:
        """The error about the line that begins at a byte."""
        with self._open() as stream:
            number = stream.read(start).count(b"\n") + 1
        return UserError(f"{self.path}:{number}: not {self.noun} ({why}); {self.fix}")

    @contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        fix = "make it readable for this account"
        with explain_read_errors(self.path, fix), self.path.open("rb") as stream:
            yield stream

    def _parsed(self, text: bytes, start: int) -> T:
        try:
            return self.parse(json.loads(text))
        except KeyError as error:
            raise self.damage(start, f"unknown or missing: {error}") from None
        except (ValueError, TypeError, RecursionError) as error:
            raise self.damage(start, reason(error)) from None


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
