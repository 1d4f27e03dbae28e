import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from steelexp import file_lock as module
from steelexp.file_lock import LockedError, file_lock

ROOT = Path(__file__).parents[1]
HOLDER = """
import sys
from pathlib import Path
from steelexp.file_lock import file_lock
with file_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(params=[True, False])
def has_locks(request):
    """Whether the file system has locks."""
    return request.param


@pytest.fixture
def file(has_locks, tmp_path, monkeypatch):
    """The file of a lock, also on a file system that answers that it has none."""
    place = tmp_path / "place"
    place.mkdir()
    real = fcntl.flock

    def flock(number, flags):
        if Path(f"/proc/self/fd/{number}").readlink().is_relative_to(place):
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
        real(number, flags)

    if not has_locks:
        monkeypatch.setattr(fcntl, "flock", flock)
        monkeypatch.setattr(module, "_reported", set())
        monkeypatch.setattr(module.tempfile, "gettempdir", lambda: str(tmp_path))
    return place / "a.lock"


def test_one_process_at_a_time(file, has_locks):
    holder_file = file if has_locks else module._substitute(file)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(holder_file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(LockedError), file_lock(file, wait=False):
        pass
    holder.kill()
    holder.wait()
    with file_lock(file, wait=False):
        pass


def test_the_same_process_only_where_it_is_nested(file):
    with file_lock(file, nested=True), file_lock(file, nested=True, wait=False):
        pass
    with (
        file_lock(file),
        pytest.raises((LockedError, RuntimeError)),
        file_lock(file, wait=False),
    ):
        pass


def test_a_line_says_once_that_there_are_none(file, has_locks, capsys):
    for _ in range(2):
        with file_lock(file):
            pass
    lines = [f"{file.parent}: its file system has no locks; let no other machine use it meanwhile"]
    assert capsys.readouterr().out.splitlines() == ([] if has_locks else lines)


def test_other_errors_name_the_path():
    with pytest.raises(FileNotFoundError) as caught, file_lock(Path("/proc/none/a.lock")):
        pass
    assert str(caught.value.filename).startswith("/proc/none")
