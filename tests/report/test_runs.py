import json

import pytest

from steelexp.records.store import Epoch
from steelexp.report.runs import read_run
from tests.finished_runs import PARTS, finished, unfinished


@pytest.fixture
def folder(tmp_path):
    return finished(tmp_path / "b4_dice" / "3f9c1a7e")


def test_a_finished_run(folder):
    run = read_run(folder)
    assert (run.label, run.seed, run.status) == ("b4_dice 3f9c1a7e", 42, "finished")
    assert (run.reported_part, run.images, run.classes) == ("val", 6, ("1", "2"))
    assert run.metric("dice_positive", "1") == 0.75
    assert run.metric("dice_pooled") is None
    assert run.problems == ()


def test_an_unfinished_run(tmp_path):
    folder = unfinished(tmp_path / "b4_dice" / "0")
    folder.append(Epoch(1, 10, 1.0, {"loss": 0.5, "val_dice_positive/pit": 0.25}))
    run = read_run(folder)
    assert (run.status, len(run.epochs), run.classes) == ("unfinished", 1, ("pit",))
    assert run.metric("dice_positive") is None


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("record.json", b"{", "not a record"),
        ("record.json", b"\xff\x00", "not a record"),
        ("spec.yaml", b"a: [", "not a spec"),
        ("spec.yaml", b"\xff\x00", "not a spec"),
        ("epochs.jsonl", b'{"epoch": 1}\n', "not an epoch"),
        ("evaluation.json", b"[]", "not an evaluation report"),
    ],
)
def test_what_is_damaged_is_said_and_the_rest_is_read(folder, file, content, said):
    (folder.path / file).write_bytes(content)
    run = read_run(folder)
    assert [said in problem and file in problem for problem in run.problems] == [True]
    assert run.status == ("damaged" if file == "record.json" else "finished")
    assert run.label == "b4_dice 3f9c1a7e"


def test_another_provenance_is_said(folder):
    record = json.loads((folder.path / "record.json").read_text()) | {"provenance": {"commit": 1}}
    folder.write("record.json", json.dumps(record))
    run = read_run(folder)
    assert (run.status, run.provenance.commit) == ("finished", "")
    assert "record.json: provenance.commit" in run.problems[0]


@pytest.mark.parametrize("parts", [None, {}, PARTS | {"leak": 3}])
def test_a_record_with_another_split_is_damaged(folder, parts):
    record = json.loads((folder.path / "record.json").read_text())
    record["split"]["parts"] = parts
    folder.write("record.json", json.dumps(record))
    run = read_run(folder)
    assert run.status == "damaged"
    assert "record.json: split.parts" in run.problems[0]
