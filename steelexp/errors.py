"""Errors that the user can fix, and errors of the operating system turned into them."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DISK = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO, errno.EROFS}
"""Errors of a write that come without a file name."""

_MORE_FILES = "raise the limit of open files: ulimit -n 4096"

FIXES = {
    errno.EFBIG: "raise the limit of a file's size: ulimit -f unlimited",
    errno.EMFILE: _MORE_FILES,
    errno.ENFILE: _MORE_FILES,
    errno.ENAMETOOLONG: "choose shorter names",
    errno.EAGAIN: "end other processes, or raise their limit: ulimit -u",
}
"""What helps against limits that are the same everywhere."""


class UserError(Exception):
    """Errors that the user can fix; every message says how.

    Args:
        lines: Lines of the message. A line end within one of them came with a name or a value.
    """

    exit_code = 2

    def __init__(self, *lines: str) -> None:
        super().__init__(*lines)

    @property
    def lines(self) -> tuple[str, ...]:
        """Lines of the message."""
        return self.args

    def __str__(self) -> str:
        return "\n".join(self.lines)


class RunFailedError(UserError):
    """A run that failed although the request was right."""

    exit_code = 1


def excerpt(value: object, most: int = 200) -> str:
    """A value as Python writes it, cut where it would fill the line of a message."""
    return cut(repr(value), most)


def cut(text: str, most: int = 200) -> str:
    """A text, cut where it would fill the line of a message."""
    return text if len(text) <= most else f"{text[:most]} [cut]"


@contextmanager
def explain_write_errors(place: Path, fix: str) -> Iterator[None]:
    """Turn system errors about a place into one line that names the path, the reason and the fix.

    Errors about files elsewhere pass unchanged.

    Args:
        place: File or folder that is written.
        fix: Way out, such as "choose another folder with --out".

    Raises:
        UserError: The place cannot be written.
    """
    try:
        yield
    except OSError as error:
        if (path := _path_at(place, error)) is None:
            raise
        way_out = FIXES.get(error.errno or 0, fix)
        raise UserError(f"{path}: cannot be written: {reason(error)}; {way_out}") from error


@contextmanager
def explain_read_errors(file: Path, fix: str) -> Iterator[None]:
    """Turn system errors and wrong encodings of one file into one line that names it.

    Args:
        file: File that is read.
        fix: Way out, such as "export the run again".

    Raises:
        UserError: The file cannot be read, or is not UTF-8 text.
    """
    try:
        yield
    except OSError as error:
        way_out = FIXES.get(error.errno or 0, fix)
        raise UserError(f"{file}: cannot be read: {reason(error)}; {way_out}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: not UTF-8 text at byte {error.start}; {fix}") from error


@contextmanager
def name_path(path: Path, *, temporary: Path | None = None) -> Iterator[None]:
    """Name a path in system errors that name none, or that name its temporary file or folder.

    Args:
        path: Path to name; of an error within a temporary folder, the path within this one.
        temporary: Path at which it is written before it is renamed.
    """
    try:
        yield
    except OSError as error:
        named = named_path(error)
        if isinstance(error, ConnectionError):
            raise
        if named is not None:
            if temporary is None or not named.is_relative_to(temporary):
                raise
            path /= named.relative_to(temporary)
        # A new one: an error without a number would lose its text together with its first path.
        raise OSError(error.errno or errno.EIO, reason(error), str(path)) from error


def named_path(error: OSError) -> Path | None:
    """The path that a system error names; of a copy that the disk does not take, the target."""
    is_copy = error.errno in _DISK and error.filename2 is not None
    name = error.filename2 if is_copy else error.filename
    if isinstance(name, (str, bytes)) and name:
        return Path(os.fsdecode(name))
    return None


def reason(error: Exception) -> str:
    """The cause of an error in one line, without the path; the first of several causes."""
    from pydantic_core import ValidationError  # 0.1 s that --help need not pay

    if isinstance(error, ValidationError):
        first = error.errors()[0]
        text = ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"])))
    else:
        text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__


def _path_at(place: Path, error: OSError) -> Path | None:
    """The path that a system error is about, if it lies in a place or is a missing folder above."""
    path = named_path(error)
    if path is None:
        return place if error.errno in _DISK else None
    there, here = (Path(os.path.abspath(each)) for each in (path, place))  # noqa: PTH100  # keep links
    missing_above = here.is_relative_to(there) and not os.path.isdir(there)  # noqa: PTH112  # never raises
    return path if there.is_relative_to(here) or missing_above else None
