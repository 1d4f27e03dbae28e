import resource
from pathlib import Path

import pytest

from steelexp.regular_file import read_regular


def test_a_small_file_needs_no_memory_for_the_largest(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 28), limits[1]))
    try:
        assert read_regular(path, 1 << 34) == b"abc"
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def test_a_file_that_states_no_size_is_read_to_its_end():
    assert read_regular(Path("/proc/self/status"), 1 << 20).startswith(b"Name:")
    with pytest.raises(OSError, match="at most 10 are read"):
        read_regular(Path("/proc/self/status"), 10)


def test_a_file_of_the_largest_size_is_read_and_a_larger_one_is_not(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    assert read_regular(path, 10) == b"0123456789"
    with pytest.raises(OSError, match="10 bytes or more, and at most 9 are read"):
        read_regular(path, 9)
