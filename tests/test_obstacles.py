import errno
import os

import pytest

from steelexp.lazy import tf
from steelexp.obstacles import MEMORY_FIX, obstacle_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MemoryError(), f"out of memory; {MEMORY_FIX}"),
        (MemoryError("std::bad_alloc"), f"out of memory; {MEMORY_FIX}"),
        (
            RuntimeError("can't start new thread"),
            "no thread can be started; end other processes, or raise their limit: ulimit -u",
        ),
        (
            OSError(errno.EMFILE, os.strerror(errno.EMFILE), "a.png"),
            "a.png: Too many open files; raise the limit of open files: ulimit -n 4096",
        ),
        (
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
            "No space left on device; make room there",
        ),
        (RuntimeError("another one"), None),
        (OSError(errno.ENOENT, os.strerror(errno.ENOENT), "a.png"), None),
        (KeyError("a"), None),
    ],
)
def test_obstacles_of_the_system_are_a_line(error, line):
    assert obstacle_line(error) == line


def test_tensorflow_without_memory_is_one():
    error = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
    assert obstacle_line(error) == f"out of memory; {MEMORY_FIX}"
