import os
import pathlib
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pytest

from steelexp.data.dataset import DataError
from steelexp.data.splits.extension import SplitFile, compare_with_file, write_new_rows
from steelexp.data.splits.file import append_rows, read_split, read_table
from steelexp.data.splits.split import Split
from tests.fakes import labelled

TODAY = datetime.now(UTC).date().isoformat()


def test_new_rows_follow_the_old_ones_with_version_and_date(tmp_path):
    path = tmp_path / "split.csv"
    path.write_text("image,part\nb.png,train\na.png,val\n")
    assert append_rows(path, {"c.png": "test", "d.png": "unused"}) == 2
    assert append_rows(path, {"e.png": "train"}) == 3
    assert path.read_text() == (
        "image,part,version,added\n"
        "b.png,train\n"
        "a.png,val\n"
        f"c.png,test,2,{TODAY}\n"
        f"d.png,unused,2,{TODAY}\n"
        f"e.png,train,3,{TODAY}\n"
    )
    table = read_table(path)
    assert table.version == 3
    assert table.versions == {"b.png": 1, "a.png": 1, "c.png": 2, "d.png": 2, "e.png": 3}
    assert list(table.parts.values()) == ["train", "val", "test", "unused", "train"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"image,part\r\na,train\r\n", b"image,part,version,added\r\na,train\r\nb,val,2,DAY\r\n"),
        (b"image,part\na,train", b"image,part,version,added\na,train\nb,val,2,DAY\n"),
        (
            b"\xef\xbb\xbfimage,part\n\n'a,train\n",
            b"\xef\xbb\xbfimage,part,version,added\n\n'a,train\nb,val,2,DAY\n",
        ),
        (
            b'"image","part","version","added"\n"a, 1","train",4,\n',
            b'"image","part","version","added"\n"a, 1","train",4,\nb,val,5,DAY\n',
        ),
    ],
)
def test_old_rows_and_line_ends_stay_byte_for_byte(tmp_path, before, after):
    path = tmp_path / "split.csv"
    path.write_bytes(before)
    append_rows(path, {"b": "val"})
    assert path.read_bytes() == after.replace(b"DAY", TODAY.encode())


def test_a_table_that_pandas_wrote_again_has_its_versions(tmp_path):
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "split.csv"
    path.write_text("image,part\na.png,train\n")
    append_rows(path, {"b.png": "val"})
    pandas.read_csv(path).to_csv(path, index=False)
    assert read_table(path).versions == {"a.png": 1, "b.png": 2}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.png,train,0,", "'a.png,train,0,' is not image,part,version,added"),
        ("a.png,train,two,", "is not image,part,version,added"),
        ("a.png,train,2", "is not image,part,version,added"),
    ],
)
def test_wrong_versions_are_refused(tmp_path, row, message):
    path = tmp_path / "split.csv"
    path.write_text(f"image,part,version,added\n{row}\n")
    with pytest.raises(DataError, match=message):
        read_split(path)


def test_names_that_begin_like_formulas_are_read_back(tmp_path):
    path = tmp_path / "split.csv"
    names = ["=1+1.png", "-2.png", "'=3.png", "@4.png", "'5.png"]
    path.write_text("image,part\n=1+1.png,train\n-2.png,val\n")  # by hand, as they are
    assert append_rows(path, dict.fromkeys(names[2:], "test")) == 2
    assert list(read_split(path)) == names
    assert path.read_text().splitlines()[3:] == [
        f"''=3.png,test,2,{TODAY}",
        f"'@4.png,test,2,{TODAY}",
        f"'5.png,test,2,{TODAY}",
    ]


def test_a_link_and_the_mode_of_the_file_stay(tmp_path):
    path = tmp_path / "split.csv"
    path.write_text("image,part\na.png,train\n")
    path.chmod(0o640)
    link = tmp_path / "link.csv"
    link.symlink_to(path)
    append_rows(link, {"b.png": "val"})
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert read_split(path) == {"a.png": "train", "b.png": "val"}


def test_a_comparison_names_new_and_missing_images(tmp_path):
    path = tmp_path / "split.csv"
    path.write_text("image,part\n00000.jpg,train\nx.jpg,val\n")
    split = Split(np.array([0]), np.array([1]), np.array([2]))
    compared = compare_with_file({"path": str(path)}, labelled(np.zeros((4, 1), int)), split)
    assert compared.new_parts == {
        "00001.jpg": "val",
        "00002.jpg": "test",
        "00003.jpg": "unused",
    }
    assert compared.missing == ("x.jpg",)
    assert compared.summary == {"version": 1, "without_row": 3}


def split_file(path, parts):
    return SplitFile(path, version=1, parts=parts, new=tuple(parts), missing=())


def test_rows_that_another_process_wrote_meanwhile(tmp_path):
    path = tmp_path / "split.csv"
    path.write_text("image,part\na.png,train\n")
    ours = split_file(path, {"b.png": "val", "c.png": "test"})
    append_rows(path, {"b.png": "val"})
    extended = write_new_rows(ours)
    assert extended is not None
    assert (extended.version, extended.new) == (3, ())
    assert read_split(path) == {"a.png": "train", "b.png": "val", "c.png": "test"}
    before = path.read_bytes()
    assert write_new_rows(ours) is not None  # nothing is new
    assert write_new_rows(split_file(path, {"b.png": "train", "d.png": "val"})) is None
    assert path.read_bytes() == before


def test_a_file_marked_as_read_only_is_not_replaced(tmp_path):
    path = tmp_path / "split.csv"
    path.write_text("image,part\na.png,train\n")
    path.chmod(0o444)
    with pytest.raises(PermissionError, match="read-only"):
        write_new_rows(split_file(path, {"b.png": "val"}))
    assert read_split(path) == {"a.png": "train"}


APPEND = """
import sys
from pathlib import Path
from steelexp.data.splits.extension import SplitFile, write_new_rows

path, prefix = Path(sys.argv[1]), sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
for number in range(100):
    name = f"{prefix}{number}.png"
    assert write_new_rows(SplitFile(path, 1, {name: "train"}, (name,), ()))
"""


def test_two_processes_at_once_lose_no_row(tmp_path):
    path = tmp_path / "split.csv"
    path.write_text("image,part\nold.png,val\n")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", APPEND, str(path), prefix],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for prefix in ("a", "b")
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
    for process in processes:  # both begin now
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    table = read_table(path)
    assert len(table.parts) == 201
    assert sorted(table.versions.values()) == list(range(1, 202))


@pytest.mark.parametrize("killed_in", ["write_bytes", "replace"])
def test_a_kill_during_the_write_leaves_the_old_file(tmp_path, killed_in):
    path = tmp_path / "split.csv"
    path.write_text("image,part\na.png,train\n")
    child = os.fork()
    if not child:
        try:
            setattr(pathlib.Path, killed_in, write_half_and_die)
            write_new_rows(split_file(path, {"b.png": "val"}))
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert path.read_text() == "image,part\na.png,train\n"
    extended = write_new_rows(split_file(path, {"b.png": "val"}))  # the lock is free again
    assert extended is not None
    assert extended.version == 2
    assert read_split(path) == {"a.png": "train", "b.png": "val"}
    assert [each.name for each in tmp_path.glob("*.partial")] == []


def write_half_and_die(path, content):
    """In place of a write or a renaming; a process that is killed in the midst of it."""
    if isinstance(content, bytes):
        with path.open("wb") as stream:
            stream.write(content[: len(content) // 2])
    os._exit(9)
