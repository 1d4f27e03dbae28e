"""Disk space that is taken before a file is written through memory.

A write to a mapped file that the disk has no block for ends the process (SIGBUS) instead of raising
an error.
"""

import errno
import os
from collections.abc import Iterable
from pathlib import Path

from steelexp.errors import name_path

_UNSUPPORTED = {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS}


def reserve(file: Path, ranges: Iterable[tuple[int, int]]) -> None:
    """Take the blocks of ranges of a file, whose content stays.

    A file system that cannot take them in advance goes without.

    Args:
        file: File.
        ranges: First byte and number of bytes of each range.

    Raises:
        OSError: The disk is full; the error names the file.
    """
    with name_path(file), file.open("r+b") as stream:
        for start, size in ranges:
            if size == 0 or not hasattr(os, "posix_fallocate"):  # not on macOS
                continue
            try:
                os.posix_fallocate(stream.fileno(), start, size)
            except OSError as error:
                if error.errno not in _UNSUPPORTED:
                    raise
