"""Hashes of the content of files and labels, by which a data set is known."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from steelexp.data.data_error import DataError
from steelexp.data.file_memory import remembered
from steelexp.errors import reason

_BYTES = 16


def hash_bytes(data: bytes | memoryview) -> str:
    """BLAKE2b of 16 bytes as hex digits."""
    return hashlib.blake2b(data, digest_size=_BYTES).hexdigest()


def file_hashes(paths: Sequence[Path]) -> tuple[str, ...]:
    """Hash of the content of each file, remembered until the file changes.

    Raises:
        DataError: Files cannot be read; all are listed.
    """
    return tuple(remembered(paths, "blake2b 1", _hash_file))


def is_readable(path: Path) -> bool:
    """Whether a path is a file that this account may read."""
    return path.is_file() and os.access(path, os.R_OK)


def _hash_file(path: Path) -> str:
    try:
        return hash_bytes(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {reason(error)}") from error
