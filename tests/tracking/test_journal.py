import json
import math
import resource
import signal
from pathlib import Path

import pytest

from steelexp.errors import UserError
from steelexp.records.jsonl import JsonLines
from steelexp.tracking.comet.events import KINDS
from steelexp.tracking.contents import CONTENTS
from steelexp.tracking.journal import EventReader, Journal, file_entry, read_events, unchanged
from tests.tracking_events import SHA256, epoch, picture, run


def test_events_are_numbered_and_read_back(folder: Path) -> None:
    journal = Journal(folder)
    journal.append(run())
    journal.append(epoch(1), picture(1, "é"))
    journal.append()
    events = read_events(folder)
    assert events == journal.events == Journal(folder).events
    assert [(e.number, e.kind) for e in events] == [(1, "run"), (2, "epoch"), (3, "picture")]
    assert events[2].content == picture(1, "é")[1]
    assert (folder / "journal.jsonl").read_text().count("\n") == 3


def test_no_journal_has_no_events(folder: Path) -> None:
    assert read_events(folder) == []


@pytest.mark.parametrize("torn", ['{"number": 2, "kind": "ep', "\x00\x00", '{"number": 2}'])
def test_a_torn_last_line_is_not_read_and_is_cut_off_at_open(folder: Path, torn: str) -> None:
    Journal(folder).append(run())
    path = folder / "journal.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + torn.encode())
    assert len(read_events(folder)) == 1
    assert path.read_bytes() == whole + torn.encode()  # reading changes nothing
    journal = Journal(folder)
    assert path.read_bytes() == whole
    journal.append(epoch(1))
    assert path.read_bytes().startswith(whole + b'{"number": 2, "kind": "epoch"')
    assert [e.number for e in read_events(folder)] == [1, 2]


def test_a_journal_torn_in_its_first_line_begins_anew(folder: Path) -> None:
    (folder / "journal.jsonl").write_text('{"num')
    Journal(folder).append(run())
    assert [e.number for e in read_events(folder)] == [1]


@pytest.mark.parametrize("line", ["nonsense", '{"number": 3}', "[]", "5", ""])
def test_a_whole_line_that_is_no_event_is_damage(folder: Path, line: str) -> None:
    Journal(folder).append(run())
    with (folder / "journal.jsonl").open("a") as stream:
        stream.write(line + "\n")
    with pytest.raises(UserError, match=r"journal.jsonl:2: not the next event of this run \("):
        read_events(folder)


def test_a_reader_goes_on_from_where_it_was(folder: Path) -> None:
    journal, reader = Journal(folder), EventReader(folder)
    assert reader.read_new() == []
    journal.append(run(), epoch(1))
    assert [e.number for e in reader.read_new()] == [1, 2]
    path = folder / "journal.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"number": 3')  # being written
    assert reader.read_new() == []
    path.write_bytes(whole)
    journal.append(epoch(1))
    assert [e.number for e in reader.read_new()] == [3]
    event = {"number": 5, "kind": "epoch", "time": 0.0, "content": epoch(1)[1]}
    JsonLines(path, dict, "an event", "").append(event)
    with pytest.raises(UserError, match=r"journal.jsonl:4: .*\(number 5 after 3\)"):
        reader.read_new()


def test_a_number_left_out_is_damage(folder: Path) -> None:
    event = {"number": 2, "kind": "epoch", "time": 0.0, "content": epoch(1)[1]}
    JsonLines(folder / "journal.jsonl", dict, "an event", "").append(event)
    with pytest.raises(
        UserError, match=r"journal.jsonl:1: not the next event of this run \(number 2 after 0\)"
    ):
        read_events(folder)


def test_files_are_named_below_the_folder_and_known_again(folder: Path) -> None:
    path = folder / "overlays" / "a.png"
    path.parent.mkdir()
    path.write_bytes(b"abc")
    entry = json.loads(json.dumps(file_entry(path, folder)))
    assert entry["path"] == "overlays/a.png"
    assert entry["sha256"] == SHA256
    assert unchanged(entry, folder) == path
    path.write_bytes(b"abd")
    assert unchanged(entry, folder) is None
    path.unlink()
    assert unchanged(entry, folder) is None


def test_a_full_disk_adds_nothing(folder: Path) -> None:
    journal = Journal(folder)
    journal.append(run())
    whole = (folder / "journal.jsonl").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 20, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            journal.append(epoch(1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (folder / "journal.jsonl").read_bytes() == whole
    journal.append(epoch(1))
    assert [e.number for e in read_events(folder)] == [1, 2]


SHAPES = {
    "an unknown kind": ("epok", epoch(1)[1]),
    "a field is missing": ("epoch", {"epoch": 1, "step": 50}),
    "text for a number": ("epoch", {**epoch(1)[1], "step": "50"}),
    "a list for an object": ("epoch", {**epoch(1)[1], "metrics": []}),
    "text for a metric": ("epoch", {**epoch(1)[1], "metrics": {"loss": "0.5"}}),
    "a file elsewhere": ("asset", {"path": "../secret", "sha256": SHA256}),
    "an absolute path": ("asset", {"path": "/etc/passwd", "sha256": SHA256}),
    "no digest": ("asset", {"path": "spec.yaml", "sha256": "ba78"}),
    "a path for a key": ("run", {**run()[1], "key": "../../../tmp/x"}),
    "an object for a value": ("others", {"status": {}}),
    "rows of no list": ("table", {"name": "a", "headers": [], "rows": ["ab"]}),
    "content of no object": ("epoch", None),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_an_event_of_another_shape_is_damage(folder: Path, shape: str) -> None:
    journal = Journal(folder)
    journal.append(run())
    journal.append(SHAPES[shape])
    with pytest.raises(UserError, match=r"journal.jsonl:2: not the next event of this run \("):
        read_events(folder)


def test_undefined_metrics_are_no_damage(folder: Path) -> None:
    Journal(folder).append(run(), ("epoch", {**epoch(1)[1], "metrics": {"loss": math.nan}}))
    assert math.isnan(read_events(folder)[1].content["metrics"]["loss"])


def test_every_kind_has_a_content_and_a_call_of_comets() -> None:
    assert CONTENTS.keys() == KINDS.keys()
