"""Files that are there whole or not at all."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from steelexp.errors import name_path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside, for the block to write; it is renamed to `path` unless the block raises.

    Args:
        path: File, or folder that is absent or empty; folders above it are made.
    """
    beside = partial_path(path)
    with name_path(path, temporary=beside):
        path.parent.mkdir(parents=True, exist_ok=True)
        remove(beside)  # what a killed process left
        try:
            yield beside
            beside.replace(path)
        finally:
            remove(beside)


def write_atomically(path: Path, content: bytes | memoryview) -> Path:
    """Write a file beside and rename it."""
    with replacing(path) as beside:
        beside.write_bytes(content)
    return path


def partial_path(path: Path) -> Path:
    """The temporary path of a file; its name is short, however long the file's own is."""
    digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()
    return path.with_name(f".{digest[:12]}.partial")


def remove(path: Path) -> None:
    """Remove a file or a folder with all that it holds, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
