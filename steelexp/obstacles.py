"""Obstacles of the system: full disks, limits, want of memory; each is one line with a way on."""

import errno

from steelexp.errors import FIXES, named_path, reason

MEMORY_FIX = (
    "lower training.batch_size or the size of tiles or images, set data.cache=disk, or give the "
    "job more memory"
)
"""What helps when memory runs out."""

_LIMITS = {
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "make room there",
    errno.EROFS: "name another place, or make it writable",
    errno.EACCES: "name another place, or make it accessible to this account",
    errno.EPERM: "name another place, or make it accessible to this account",
    errno.ENOMEM: MEMORY_FIX,
} | FIXES


def obstacle_line(error: BaseException) -> str | None:
    """The line about an error that the system's limits caused; None for any other.

    Args:
        error: Error that nothing else has explained.
    """
    if isinstance(error, MemoryError) or _is_out_of_memory(error):
        return f"out of memory; {MEMORY_FIX}"
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return f"no thread can be started; {FIXES[errno.EAGAIN]}"
    if isinstance(error, OSError) and error.errno in _LIMITS:
        path = named_path(error)
        line = f"{reason(error)}; {_LIMITS[error.errno]}"
        return f"{path}: {line}" if path else line
    return None


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether TensorFlow lacks memory; it is not imported to ask."""
    text = str(error)
    # TensorFlow's writers raise the same for a full disk.
    is_exhausted = type(error).__name__ == "ResourceExhaustedError" and "OOM" in text
    return is_exhausted or "std::bad_alloc" in text
