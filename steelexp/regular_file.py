"""Read regular files up to a size: no pipe that waits for ever, no device that never ends."""

import errno
import io
import os
import stat
from pathlib import Path
from typing import BinaryIO

_BLOCK = 1 << 16


def open_regular(path: Path, most: int) -> BinaryIO:
    """Open a regular file to read its bytes.

    Args:
        path: Path of the file.
        most: Bytes of the file at most.

    Raises:
        OSError: The file is missing, no regular file, larger, or cannot be read, or its name is
            none that a file system can have.
    """
    try:
        # A pipe opens at once with this flag, instead of when somebody writes to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError as error:  # NUL, lone surrogates
        raise OSError(errno.EINVAL, f"not a valid path ({error})", ascii(str(path))) from None
    stream = io.FileIO(descriptor, "rb")
    status = os.fstat(descriptor)
    if problem := _problem(status, most):
        stream.close()
        raise OSError(*problem, str(path))
    return io.BufferedReader(stream)


def read_regular(path: Path, most: int) -> bytes:
    """Read a regular file.

    Args:
        path: Path of the file.
        most: Bytes of the file at most.

    Raises:
        OSError: As in `open_regular`.
    """
    with open_regular(path, most) as stream:
        # A read of `most` bytes would ask for their memory, however small the file is.
        content = stream.read(os.fstat(stream.fileno()).st_size + 1)
        while len(content) <= most and (block := stream.read(_BLOCK)):
            content += block  # a file that grows, or one of /proc, which states no size
    if len(content) > most:
        raise OSError(*_too_large(len(content), most), str(path))
    return content


def read_regular_text(path: Path, most: int, encoding: str = "utf-8") -> str:
    """Read a regular file of text, with any line ends.

    Raises:
        OSError: As in `open_regular`.
        UnicodeDecodeError: The file has another encoding.
    """
    text = read_regular(path, most).decode(encoding)
    return io.StringIO(text, newline=None).getvalue()


def _problem(status: os.stat_result, most: int) -> tuple[int, str] | None:
    if stat.S_ISDIR(status.st_mode):
        return errno.EISDIR, os.strerror(errno.EISDIR)
    if not stat.S_ISREG(status.st_mode):
        return errno.EINVAL, "not a regular file"
    return _too_large(status.st_size, most) if status.st_size > most else None


def _too_large(size: int, most: int) -> tuple[int, str]:
    return errno.EINVAL, f"{size:,} bytes or more, and at most {most:,} are read"
