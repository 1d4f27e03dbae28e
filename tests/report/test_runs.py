import pytest

from steelexp.records.store import Epoch
from steelexp.report.runs import read_run
from tests.finished_runs import (
    PARTS,
    change_record,
    finished,
    record_values,
    reseal,
    unfinished,
)
from tests.page_folders import write_report


@pytest.fixture
def folder(tmp_path):
    folder = finished(tmp_path / "b4_dice" / "3f9c1a7e")
    for epoch in range(1, 5):
        folder.append(Epoch(epoch, 10 * epoch, 1.0, {"loss": 1 / epoch}))
    write_report(folder.path)
    return reseal(folder.path)


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
        ("run.json", b"{", "not the description of a run"),
        ("spec.yaml", b"a: [", "damaged: it is not what the run wrote"),
        ("spec.yaml", b"\xff\x00", "damaged: it is not what the run wrote"),
        ("epochs.jsonl", b"", "damaged: it is not what the run wrote"),
        ("epochs.jsonl", b'{"epoch": 1}\n', "damaged: it is not what the run wrote"),
        ("evaluation.json", b"[]", "damaged: it is not what the run wrote"),
    ],
)
def test_what_is_damaged_is_said_and_the_rest_is_read(folder, file, content, said):
    (folder.path / file).write_bytes(content)
    run = read_run(folder)
    assert [said in problem and file in problem for problem in run.problems] == [True]
    assert run.status == ("damaged" if file in ("record.json", "run.json") else "finished")
    assert run.label == "b4_dice 3f9c1a7e"
    if file != "run.json":  # without it nothing says what the files have to be
        assert (run.spec is None) == (file == "spec.yaml")
        assert len(run.epochs) == (0 if file == "epochs.jsonl" else 4)
    assert (run.evaluation is None) == (file == "evaluation.json")


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("spec.yaml", b"a: [", "not a spec"),
        ("spec.yaml", b"\xff\x00", "not a spec"),
        ("epochs.jsonl", b'{"epoch": 1}\n', "not an epoch"),
        ("evaluation.json", b"[]", "not an evaluation report"),
    ],
)
def test_what_is_something_else_is_said(folder, file, content, said):
    (folder.path / file).write_bytes(content)
    run = read_run(reseal(folder.path))
    assert [said in problem and file in problem for problem in run.problems] == [True]
    assert run.status == "finished"


def test_another_provenance_is_said(folder):
    change_record(folder.path, provenance={"commit": 1})
    run = read_run(folder)
    assert (run.status, run.provenance.commit) == ("finished", "")
    assert "record.json: provenance.commit" in run.problems[0]


@pytest.mark.parametrize("parts", [None, {}, PARTS | {"leak": 3}])
def test_a_record_with_another_split_is_damaged(folder, parts):
    change_record(folder.path, split=record_values(folder.path)["split"] | {"parts": parts})
    run = read_run(folder)
    assert run.status == "damaged"
    assert "record.json: split.parts" in run.problems[0]
