"""Standard input, output and error that may be closed, full or without a reader.

A command that only prints ends when nobody reads it. A job writes its results to files, so it goes
on without its progress lines, and says so once on standard error.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from steelexp.errors import UserError, reason

NOTE = "steelexp: the output cannot be written any more ({reason}); the job goes on without it\n"


class LostReaderError(BrokenPipeError):
    """Nobody reads the output of a command that only prints."""


class Output:
    """A stream whose failures are handled here; all else is left to the stream itself.

    Attributes:
        goes_on: Whether the command goes on when the stream takes no more.
    """

    def __init__(self, stream: TextIO, *, goes_on: bool = False) -> None:
        self._stream = stream
        self.goes_on = goes_on

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text; a stream that takes no more is handled."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._lose(error)
        return len(text)

    def flush(self) -> None:
        """Flush the stream; one that takes no more is handled."""
        try:
            self._stream.flush()
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        """Discard what the stream holds and all that follows.

        Raises:
            LostReaderError: The command only prints, and nobody reads it.
            UserError: The command only prints, and its output cannot be written.
        """
        with suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)
        if self._stream is sys.__stderr__ or self is sys.stderr:
            return
        if self.goes_on:
            sys.stderr.write(NOTE.format(reason=reason(error)))
        elif isinstance(error, BrokenPipeError):
            raise LostReaderError from error
        else:
            raise UserError(
                f"standard output: cannot be written: {reason(error)}; send it elsewhere"
            ) from error


@contextmanager
def standard_streams() -> Iterator[Output]:
    """Open what is closed of the standard streams, and handle failures of standard output.

    A file that a program opens gets the lowest free number. With standard output closed it would
    get number 1, and what libraries print would go into it.

    Yields:
        Standard output. The block sets `goes_on`.
    """
    _open_closed()
    streams = sys.stdout, sys.stderr
    output = Output(streams[0])
    sys.stdout = cast(TextIO, output)
    sys.stderr = cast(TextIO, Output(streams[1]))
    try:
        yield output
        output.flush()
    finally:
        sys.stdout, sys.stderr = streams


def _open_closed() -> None:
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115
