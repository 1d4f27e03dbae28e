import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from steelexp.checksum import hash_bytes
from steelexp.data import content, file_memory
from steelexp.data.content import file_hashes
from steelexp.data.dataset import DataError
from steelexp.data.file_memory import STORE, remembered


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    """The path of the store; files count as old at once, but for the test of that."""
    monkeypatch.setenv("STEELEXP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(file_memory, "_RACY_NS", 0)
    monkeypatch.setattr(file_memory, "_reported", set())
    return tmp_path / "cache" / STORE


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / f"{name}.png" for name in ("b", "a", "\udce9")]  # one name in Latin-1
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]))
    return paths


@pytest.fixture
def reads(monkeypatch):
    """Names of the files that were hashed."""
    names = []
    hash_file = content._hash_file
    monkeypatch.setattr(
        content, "_hash_file", lambda path: names.append(path.name) or hash_file(path)
    )
    return names


WANTED = tuple(hash_bytes(bytes([number])) for number in range(3))


def test_a_file_larger_than_the_buffer_is_hashed_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(content, "_BUFFER_BYTES", 3)
    monkeypatch.setattr(content, "_thread", threading.local())
    (tmp_path / "a").write_bytes(b"abcdefgh")
    assert file_hashes([tmp_path / "a"]) == (hash_bytes(b"abcdefgh"),)


def test_hashes_come_in_the_order_of_the_files_and_are_remembered(files, reads):
    assert file_hashes(files) == WANTED
    assert file_hashes(files[::-1]) == WANTED[::-1]
    assert sorted(reads) == sorted(path.name for path in files)


def test_a_changed_file_of_the_same_size_and_time_is_hashed_again(files):
    os.utime(files[0], ns=(1, 1))
    file_hashes(files)
    time.sleep(0.02)  # over the granularity of the kernel's clock
    files[0].write_bytes(b"9")
    os.utime(files[0], ns=(1, 1))
    assert file_hashes(files)[0] == hash_bytes(b"9")


def test_two_files_of_one_name_size_and_time_are_hashed_apart(tmp_path):
    """As two cameras write them."""
    paths = [tmp_path / line / "0001.png" for line in ("line1", "line2")]
    for number, path in zip((b"1", b"2"), paths, strict=True):
        path.parent.mkdir()
        path.write_bytes(number)
        os.utime(path, ns=(1, 1))
    for _ in range(2):
        assert file_hashes(paths) == (hash_bytes(b"1"), hash_bytes(b"2"))


def test_another_file_moved_onto_the_path_is_hashed_again(tmp_path):
    """cp -p keeps the time; the inode and the time of the change differ."""
    one, other = (tmp_path / name for name in ("one", "other"))
    for path in (one, other):
        path.write_bytes(path.name[:3].encode())
        os.utime(path, ns=(1, 1))
    file_hashes([one])
    shutil.copy2(other, tmp_path / "copy")
    (tmp_path / "copy").replace(one)
    assert file_hashes([one]) == (hash_bytes(b"oth"),)


def test_a_file_that_was_just_written_is_not_remembered(files, reads, monkeypatch):
    monkeypatch.setattr(file_memory, "_RACY_NS", 60 * 10**9)
    for _ in range(2):
        file_hashes(files)
    assert len(reads) == 6


def test_facts_of_another_name_are_apart(files):
    assert remembered(files, "size 1", lambda path: path.stat().st_size) == [1, 1, 1]
    assert remembered(files, "size 2", lambda path: [2]) == [[2], [2], [2]]
    assert remembered(files, "size 1", lambda path: pytest.fail("known")) == [1, 1, 1]


def test_all_problems_are_listed_and_the_rest_is_remembered(files, reads):
    files[1].unlink()
    missing = files[1].with_name("missing.png")
    with pytest.raises(DataError) as refused:
        file_hashes([*files, missing])
    assert str(refused.value).splitlines() == [
        f"{path}: cannot be read: No such file or directory" for path in (files[1], missing)
    ]
    assert len(reads) == 4
    file_hashes([files[0], files[2]])
    assert len(reads) == 4


@pytest.mark.parametrize(
    "harm",
    [
        lambda content: b"no database",
        lambda content: content[:5000],
        lambda content: content[:100] + bytes(len(content) - 100),
        lambda content: content.replace(WANTED[0].encode(), WANTED[1].encode()),
    ],
    ids=["other", "cut", "zeroed", "another hash"],
)
def test_a_damaged_store_is_not_believed(files, store, harm, capsys):
    file_hashes(files)
    before = store.read_bytes()
    store.write_bytes(harm(before))
    assert store.read_bytes() != before
    for _ in range(3):
        assert file_hashes(files) == WANTED
    assert capsys.readouterr().out.count(str(store)) <= 1
    assert file_hashes(files) == WANTED


def test_a_store_that_cannot_be_written_is_said_once(files, store, capsys):
    store.mkdir(parents=True)  # also for root, whom no permission stops
    for _ in range(2):
        assert file_hashes(files) == WANTED
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{store}: cannot be written (unable to open database file); set STEEL")


def test_a_store_that_another_process_locks_is_said_once(files, store, capsys, monkeypatch):
    monkeypatch.setattr(file_memory, "_WAIT_SECONDS", 0.01)
    file_hashes(files[:1])
    other = sqlite3.connect(store)
    other.execute("BEGIN EXCLUSIVE")
    for _ in range(2):
        assert file_hashes(files) == WANTED
    other.close()
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{store}: cannot be read (database is locked)")


def test_two_processes_at_once_both_remember(tmp_path, store):
    program = """
import sys
from pathlib import Path
from steelexp.data import file_memory
from steelexp.data.content import file_hashes
file_memory._RACY_NS = 0
for _ in range(20):
    for path in sorted(Path(sys.argv[1]).iterdir()):
        path.write_bytes(path.read_bytes() + b".")
    file_hashes(sorted(Path(sys.argv[1]).iterdir()))
"""
    processes = []
    for line in ("line1", "line2"):
        (tmp_path / line).mkdir()
        for number in range(20):
            (tmp_path / line / f"{number}.png").write_bytes(bytes([number]))
        command = [sys.executable, "-c", program, str(tmp_path / line)]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    assert [process.communicate(timeout=60)[0] for process in processes] == ["", ""]
    rows = sqlite3.connect(store).execute("SELECT count(*) FROM facts").fetchone()
    assert rows == (40,)
