import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from steelexp.errors import UserError
from steelexp.records import jsonl
from steelexp.records.jsonl import JsonLines

ROOT = Path(__file__).parents[2]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=5,
)
VALUES = st.dictionaries(st.text().filter(lambda key: key != jsonl.KEY), JSON, max_size=3)
FIRST = b'{"n": 1, "check": "b80b42a4a1a7ca78"}\n'
SECOND = b'{"n": 2, "check": "b80b42a4a1a7ca78"}\n'


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
    assert lines.append({"n": 2}, {"n": 30}) == len(FIRST)
    checks = [xxhash.xxh3_64_hexdigest(b' {"n": 1, ')]
    checks.append(xxhash.xxh3_64_hexdigest(f'{checks[0]} {{"n": 2, '.encode()))
    checks.append(xxhash.xxh3_64_hexdigest(f'{checks[1]} {{"n": 30, '.encode()))
    whole = "".join(
        f'{{"n": {n}, "check": "{check}"}}\n' for n, check in zip((1, 2, 30), checks, strict=True)
    )
    assert path.read_text() == whole
    size = len(FIRST)
    assert list(lines.read()) == [
        (0, size, 1),
        (size, 2 * size, 2),
        (2 * size, 3 * size + 1, 30),
    ]
    assert [entry for _, _, entry in lines.read(size)] == [2, 30]
    assert lines.entry_at(2 * size) == 30


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
    lines.append({"a": "next"}, {})
    assert lines.entries() == [*left, {"a": "next"}, {}]
    assert path.read_bytes().startswith(whole[:cut][: whole[:cut].rfind(b"\n") + 1])


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
    lines.append({"n": 1})
    with path.open("ab") as stream:
        stream.write(b"x" * size)
    assert lines.append({"n": 2}) == len(FIRST)
    assert lines.entries() == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"", "Expecting value"),
        (b"\0\0\0", "Expecting value"),
        (b"\xff\xfe\xfd\xfc", "codec can't decode"),
        (b"{", "Expecting property name"),
        (b"[1]", "list in place of an object"),
        (b"{}", "unknown or missing: 'check'"),
        (b'{"n": 2}', "unknown or missing: 'check'"),
        (SECOND.strip(), "it does not go on from the line before"),
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
        list(lines.read(len(FIRST)))  # the number is that in the file, wherever reading begins


def test_a_file_that_cannot_be_read_is_named(path):
    path.mkdir(parents=True)
    with pytest.raises(UserError, match=r"journal\.jsonl: cannot be read: Is a directory; make"):
        journal(path).entry_at(0)


def test_a_full_disk_adds_nothing_and_is_named(path):
    lines = journal(path)
    lines.append({"n": 1})
    whole = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 3, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            lines.append({"n": 2})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == whole
    lines.append({"n": 2})
    assert lines.entries() == [{"n": 1}, {"n": 2}]


def test_a_line_is_on_disk_when_append_returns(path, monkeypatch):
    synced = []

    def fsync(number):
        synced.append(os.fstat(number).st_size)

    journal(path).append({"n": 0})
    monkeypatch.setattr(os, "fsync", fsync)
    journal(path).append({"n": 1})
    assert synced == [2 * len(FIRST)]


APPEND = (
    "import sys; from pathlib import Path; from steelexp.records.jsonl import JsonLines\n"
    "lines = JsonLines(Path(sys.argv[1]), parse=lambda v: v['n'], noun='', fix='')\n"
    "n = len(lines.entries())\n"
    "while True:\n"
    "    lines.append({'n': n}); n += 1; print(n, flush=True)\n"
)


def test_a_kill_at_any_moment_costs_nothing_that_was_acknowledged(path):
    acknowledged = 0
    for kill in range(4):
        command = [sys.executable, "-c", APPEND, str(path)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as writer:
            for _ in range(20 + kill):
                acknowledged = int(writer.stdout.readline())
            writer.kill()
        entries = journal(path, number).entries()
        assert entries == list(range(len(entries)))
        assert len(entries) >= acknowledged


def three(path, identity="a"):
    lines = JsonLines(path, number, noun="a number", fix="begin anew", identity=identity)
    lines.append({"n": 1}, {"n": 2}, {"n": 3})
    return lines, path.read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize(
    ("order", "line"),
    [([0, 0, 1, 2], 2), ([0, 2], 2), ([1, 2], 1), ([0, 2, 1], 2), ([0, 1, 2, 2], 4)],
)
def test_lines_that_were_repeated_dropped_or_moved_are_noticed(path, order, line):
    lines, whole = three(path)
    path.write_bytes(b"".join(whole[number] for number in order))
    with pytest.raises(UserError, match=rf":{line}: not a number \(it does not go on from"):
        lines.entries()


def test_a_line_of_another_journal_is_noticed(path):
    lines, whole = three(path)
    _, other = three(path.with_name("other"), identity="b")
    path.write_bytes(b"".join([whole[0], other[1], other[2]]))
    with pytest.raises(UserError, match=":2: not a number"):
        lines.entries()
    path.write_bytes(b"".join(other))
    with pytest.raises(UserError, match=":1: not a number"):
        lines.entries()


def test_every_flip_of_a_bit_is_noticed_or_tears_the_end(path):
    lines, whole = three(path)
    content = b"".join(whole)
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            assert lines.entries() == [1, 2]  # the last line end became another byte
            assert bit // 8 == len(content) - 1
        except UserError:
            assert bit // 8 < len(content)


def test_a_repair_goes_on_before_the_damage_and_loses_nothing(path):
    lines, whole = three(path)
    assert lines.repair() is None
    damaged = whole[0] + whole[1].replace(b"2", b"7", 1) + whole[2]
    path.write_bytes(damaged)
    assert lines.repair() == (
        f"{path}:2: not a number (it does not go on from the line before). The damaged journal is "
        "kept as journal.jsonl.damaged-1. Lines left out from there on: 2"
    )
    assert lines.entries() == [1]
    assert path.with_name("journal.jsonl.damaged-1").read_bytes() == damaged
    lines.append({"n": 2})
    assert path.read_bytes() == whole[0] + whole[1]
