"""Locks of files: one process at a time, and the kernel lets go when a process ends."""

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from steelexp.progress import say

if TYPE_CHECKING:
    from filelock import FileLock

_NO_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL}
"""Answers of a file system that has no locks."""

_reported: set[Path] = set()  # folders without locks that a line was printed about


class LockedError(Exception):
    """Another process has the lock."""


@contextmanager
def file_lock(path: Path, *, wait: bool | float = True, nested: bool = False) -> Iterator[None]:
    """Hold a lock.

    On a file system without locks it lies in the temporary folder of this machine, which a line
    says once: processes of other machines are not kept out then.

    Args:
        path: File of the lock; it stays, because a removed one would be no lock for the next.
        wait: Whether to wait for another process, or the seconds to wait at most.
        nested: Whether this process may take the lock again meanwhile.

    Raises:
        LockedError: Another process has the lock, and the wait is over.
        OSError: The file cannot be made.
    """
    from filelock import Timeout  # imports asyncio, which --help and list need not

    try:
        lock = _acquired(path, -1 if wait is True else float(wait), nested)
    except Timeout:
        raise LockedError(path) from None
    try:
        yield
    finally:
        lock.release()


def _acquired(path: Path, timeout: float, nested: bool) -> "FileLock":
    from filelock import FileLock

    lock = FileLock(path, is_singleton=nested, fallback_to_soft=False)
    try:
        lock.acquire(timeout=timeout)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        lock = FileLock(_substitute(path), is_singleton=nested, fallback_to_soft=False)
        lock.acquire(timeout=timeout)
        _say_once(path.parent)
    return lock


def _substitute(path: Path) -> Path:
    """The lock of this machine that stands for one on a file system without locks."""
    digest = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()
    return Path(tempfile.gettempdir(), f"steelexp-{os.getuid()}-{digest[:16]}.lock")


def _say_once(folder: Path) -> None:
    if folder not in _reported:
        _reported.add(folder)
        say(f"{folder}: its file system has no locks; let no other machine use it meanwhile")
