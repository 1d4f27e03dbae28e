"""Files that are there whole or not at all, also after a power cut.

A file is written beside, written through to the disk, renamed, and the folder is written through.
So a power cut leaves the old file or the new one, and a file that is written after it is never
there without it.
"""

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from steelexp.errors import name_path

_NO_FSYNC = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS}
"""Answers of a file system that has no fsync; a failure of the disk is another one."""


@contextmanager
def replacing(path: Path, *, write_through: bool = True) -> Iterator[Path]:
    """A path beside, for the block to write; it is renamed to `path` unless the block raises.

    Args:
        path: File, or folder that is absent or empty; folders above it are made.
        write_through: Whether a file, or all files of a folder, reach the disk before the name.
            A cache checks its files when they are read, and needs no time for it.
    """
    beside = partial_path(path)
    with name_path(path, temporary=beside):
        make_folder(path.parent)
        remove(beside)  # what a killed process left
        try:
            yield beside
            if write_through:
                _sync_all(beside)
            beside.replace(path)
            sync(path.parent)
        finally:
            remove(beside)


def write_atomically(path: Path, content: bytes | memoryview) -> Path:
    """Write a file beside, write it through and rename it."""
    with replacing(path) as beside:
        beside.write_bytes(content)
    return path


def _sync_all(path: Path) -> None:
    """Write a file, or a folder with all that it holds, through to the disk."""
    if path.is_dir():
        for each in path.iterdir():
            _sync_all(each)
    if path.exists():
        sync(path)


def give_second_name(path: Path, name: Path) -> None:
    """Give a file a second name, in the place of the file that had it.

    The file keeps its first name, so that a power cut cannot leave it without one. A file system
    without hard links gets a copy.
    """
    with replacing(name) as beside:
        try:
            beside.hardlink_to(path)
        except OSError:
            shutil.copyfile(path, beside)


def make_folder(path: Path) -> None:
    """Make a folder and those above it, written through."""
    if path.is_dir():
        return
    above = path.parent
    if above != path:
        make_folder(above)
    path.mkdir(exist_ok=True)
    sync(above)


def sync(path: Path) -> None:
    """Write a file or a folder's entries through to the disk, where the system lets us."""
    try:
        number = os.open(path, os.O_RDONLY)
    except PermissionError:  # a folder that may be written and not listed
        return
    try:
        sync_open(number)
    finally:
        os.close(number)


def sync_open(number: int) -> None:
    """Write an open file through to the disk, where the file system can.

    Args:
        number: File descriptor.

    Raises:
        OSError: The disk failed.
    """
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in _NO_FSYNC:
            raise


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
