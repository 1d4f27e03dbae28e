"""One hostile input, the line that it ends with, and the time and memory that it may take."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

SECONDS = 2.0
MEGABYTES = 150.0


class Case(NamedTuple):
    """A hostile input.

    Attributes:
        name: Name of the case.
        make: Function folder -> path of the input in it.
        read: Function that reads the input and raises UserError.
        line: Part of the message; "" where the input is read without one.
        seconds: Limit of the processor's time.
        megabytes: Limit of the memory that is taken in addition.
        is_large: Whether its making or reading takes over half a second.
    """

    name: str
    make: Callable[[Path], Path]
    read: Callable[[Path], object]
    line: str
    seconds: float = SECONDS
    megabytes: float = MEGABYTES
    is_large: bool = False


def content_of(content: bytes | str, name: str) -> Callable[[Path], Path]:
    """The function that writes one file."""

    def make(folder: Path) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make
