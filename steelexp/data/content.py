"""Hashes of the content of files and labels, by which a data set is known."""

import os
import threading
from collections.abc import Sequence
from pathlib import Path

import xxhash

from steelexp.data.data_error import DataError
from steelexp.data.file_memory import remembered
from steelexp.errors import reason
from steelexp.limits import IMAGE_BYTES

_BUFFER_BYTES = 2**20

_thread = threading.local()


def file_hashes(paths: Sequence[Path]) -> tuple[str, ...]:
    """Hash of the content of each file, remembered until the file changes.

    Raises:
        DataError: Files cannot be read; all are listed.
    """
    return tuple(remembered(paths, "xxh3 1", _hash_file))


def is_readable(path: Path) -> bool:
    """Whether a path is a file that this account may read, no larger than images are."""
    return path.is_file() and os.access(path, os.R_OK) and path.stat().st_size <= IMAGE_BYTES


def _hash_file(path: Path) -> str:
    # A new buffer for each file takes a third of the time: 2.5 s instead of 1.8 for 1.4 GB.
    if not hasattr(_thread, "buffer"):
        _thread.buffer = bytearray(_BUFFER_BYTES)
    buffer = memoryview(_thread.buffer)
    content = xxhash.xxh3_128()
    try:
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                content.update(buffer[:count])
        return content.hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {reason(error)}") from error
