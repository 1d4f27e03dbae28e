import errno
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from steelexp.records.atomic import partial_path, replacing, write_atomically
from tests.power_cuts import record

ROOT = Path(__file__).parents[2]


def test_make_the_folder_and_replace(tmp_path):
    path = tmp_path / "a" / "b" / "spec.yaml"
    assert write_atomically(path, b"one") == path
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("step", ["write_bytes", "replace"])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step):
    path = write_atomically(tmp_path / "record.json", b"old")
    real = Path.write_bytes

    def fail(self, content):
        if step == "write_bytes":
            real(self, content[:1])  # a full disk takes the first byte
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, step, fail)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_kill_leaves_the_old_file_or_the_new_one(tmp_path):
    path = tmp_path / "record.json"
    script = (
        "import sys; from pathlib import Path; from steelexp.records.atomic import *\n"
        "path, n = Path(sys.argv[1]), 0\n"
        "while True:\n"
        "    n = (n + 1) % 10; write_atomically(path, str(n).encode() * 2_000_000)\n"
        "    print(flush=True)\n"
    )
    for kill in range(3):
        command = [sys.executable, "-c", script, str(path)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as writer:
            for _ in range(5 + kill):
                writer.stdout.readline()
            writer.kill()
        content = path.read_bytes()
        assert len(content) == 2_000_000
        assert set(content) == {content[0]}


def test_a_folder_takes_the_place_of_none(tmp_path):
    with replacing(tmp_path / "a" / "model") as beside:
        beside.mkdir()
        (beside / "weights").write_text("new")
    assert (tmp_path / "a" / "model" / "weights").read_text() == "new"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["model"]


def test_a_failure_removes_the_unfinished_folder(tmp_path):
    def fail(folder):
        (folder / "deep").mkdir(parents=True)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "model") as beside:
        fail(beside)
    assert list(tmp_path.iterdir()) == []


def test_what_a_kill_left_is_replaced(tmp_path):
    (partial_path(tmp_path / "model") / "deep").mkdir(parents=True)
    write_atomically(tmp_path / "model", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_name_of_any_length_that_the_disk_takes(tmp_path):
    path = tmp_path / ("x" * 251 + ".png")
    assert write_atomically(path, b"new").read_bytes() == b"new"
    with pytest.raises(OSError, match="name too long") as caught:
        write_atomically(path.with_name("x" * 256), b"new")
    assert caught.value.errno == errno.ENAMETOOLONG
    assert caught.value.filename == str(path.with_name("x" * 256))


def test_errors_name_the_file_and_not_the_temporary_one(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        write_atomically(tmp_path / "taken", b"new")
    assert caught.value.filename == str(tmp_path / "taken")


def test_a_folder_is_written_through_before_it_has_its_name(tmp_path):
    with record(tmp_path / "there") as trace:
        with replacing(trace.folder / "labels") as beside:
            (beside / "images").mkdir(parents=True)
            (beside / "images" / "a.png").write_bytes(b"abc")
        trace.mark("done")
    for cut in trace.cuts(np.random.default_rng(0), 50):
        content = cut.files.get("labels/images/a.png")
        assert content in (b"abc", None if not cut.marks else b"abc")
