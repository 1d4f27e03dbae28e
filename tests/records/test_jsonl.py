import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelexp.errors import UserError
from steelexp.records import jsonl
from steelexp.records.jsonl import JsonLines

ROOT = Path(__file__).parents[2]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=5,
)


def number(value):
    """An entry for the tests: {"n": 3} is 3."""
    return int(value["n"])


def journal(path, parse=lambda value: value):
    return JsonLines(path, parse=parse, noun="a number", fix="begin anew with --fresh")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "journal.jsonl"


def test_lines_by_hand(path):
    lines = journal(path, number)
    assert lines.entries() == []
    assert lines.append({"n": 1}) == 0
    assert lines.append({"n": 2}, {"n": 30}) == 9
    assert path.read_bytes() == b'{"n": 1}\n{"n": 2}\n{"n": 30}\n'
    assert list(lines.read()) == [(0, 9, 1), (9, 18, 2), (18, 28, 30)]
    assert list(lines.read(9)) == [(9, 18, 2), (18, 28, 30)]
    assert lines.entry_at(18) == 30


@settings(deadline=None, max_examples=100)
@given(st.lists(VALUES, max_size=5), st.data())
def test_a_cut_at_any_byte_leaves_the_whole_lines_before_it(tmp_path_factory, values, data):
    path = tmp_path_factory.mktemp("cut") / "journal.jsonl"
    lines = journal(path)
    for value in values:
        lines.append(value)
    whole = path.read_bytes() if values else b""
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    left = values[: whole[:cut].count(b"\n")]
    assert lines.entries() == left
    assert path.read_bytes() == whole[:cut]  # reading changes nothing
    lines.append("next", "last")
    assert lines.entries() == [*left, "next", "last"]
    assert path.read_bytes().startswith(b"".join(json.dumps(v).encode() + b"\n" for v in left))


@settings(deadline=None, max_examples=100)
@given(st.lists(st.lists(VALUES, max_size=3), max_size=5), st.binary(max_size=20))
def test_reading_on_gives_each_entry_once(tmp_path_factory, appended, torn):
    path = tmp_path_factory.mktemp("tail") / "journal.jsonl"
    lines, end, seen = journal(path), 0, []
    for values in appended:
        lines.append(*values)
        with path.open("ab") as stream:
            stream.write(torn.replace(b"\n", b""))  # what is being written, or was torn
        for line in lines.read(end):
            end = line.end
            seen.append(line.entry)
    assert seen == [value for values in appended for value in values]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 100])
def test_a_tear_longer_than_a_block_is_cut_off(path, monkeypatch, size):
    monkeypatch.setattr(jsonl, "_BLOCK", 2)
    lines = journal(path)
    lines.append(1)
    with path.open("ab") as stream:
        stream.write(b"x" * size)
    assert lines.append(2) == 2
    assert path.read_bytes() == b"1\n2\n"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"", "Expecting value"),
        (b"\0\0\0", "Expecting value"),
        (b"\xff\xfe\xfd\xfc", "codec can't decode"),
        (b"{", "Expecting property name"),
        (b"[1]", "list indices must be integers"),
        (b"{}", "unknown or missing: 'n'"),
        (b'{"n": "x"}', "invalid literal for int"),
        (b"[" * 100_000, "recursion"),
    ],
)
@pytest.mark.parametrize("last", [False, True])
def test_a_whole_line_that_is_no_entry_is_named(path, line, why, last):
    lines = journal(path, number)
    lines.append({"n": 1})
    with path.open("ab") as stream:
        stream.write(line + b"\n" + (b"" if last else b'{"n": 3}\n'))
    with pytest.raises(UserError) as caught:
        lines.entries()
    said = str(caught.value)
    assert said.startswith(f"{path}:2: not a number (")
    assert why in said
    assert said.endswith("); begin anew with --fresh")
    with pytest.raises(UserError, match=":2: not a number"):
        list(lines.read(9))  # the number is that in the file, wherever reading begins


def test_a_file_that_cannot_be_read_is_named(path):
    path.mkdir(parents=True)
    with pytest.raises(UserError, match=r"journal\.jsonl: cannot be read: Is a directory; make"):
        journal(path).entry_at(0)


def test_a_full_disk_adds_nothing_and_is_named(path):
    lines = journal(path)
    lines.append("first")
    whole = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 3, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            lines.append("second")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == whole
    lines.append("second")
    assert lines.entries() == ["first", "second"]


def test_a_line_is_on_disk_when_append_returns(path, monkeypatch):
    synced = []

    def fsync(number):
        synced.append(os.fstat(number).st_size)

    monkeypatch.setattr(jsonl.os, "fsync", fsync)
    journal(path).append(1, 2)
    assert synced == [4]


APPEND = (
    "import sys; from pathlib import Path; from steelexp.records.jsonl import JsonLines\n"
    "lines = JsonLines(Path(sys.argv[1]), parse=int, noun='', fix='')\n"
    "n = len(lines.entries())\n"
    "while True:\n"
    "    lines.append(n); n += 1; print(n, flush=True)\n"
)


def test_a_kill_at_any_moment_costs_nothing_that_was_acknowledged(path):
    acknowledged = 0
    for kill in range(4):
        command = [sys.executable, "-c", APPEND, str(path)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as writer:
            for _ in range(20 + kill):
                acknowledged = int(writer.stdout.readline())
            writer.kill()
        entries = journal(path).entries()
        assert entries == list(range(len(entries)))
        assert len(entries) >= acknowledged
