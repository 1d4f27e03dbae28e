import inspect
import json
import re

import pytest
from pydantic import ValidationError

from steelexp.command_line import command_line
from steelexp.errors import UserError
from steelexp.records.record import Record, read_record, write_record
from tests.finished_runs import record


def test_survives_its_file(tmp_path):
    made = record(metrics={"val_loss": 0.1 + 0.2}, files={"epochs.jsonl": "sha"})
    write_record(tmp_path / "record.json", made)
    assert read_record(tmp_path / "record.json") == made


@pytest.mark.parametrize("version", [1, 2, 3, 5])
def test_of_another_version_is_refused_in_a_line(tmp_path, version):
    file = tmp_path / "record.json"
    file.write_text(json.dumps({"schema_version": version, "metrics": {"test_decided_a": 1}}))
    with pytest.raises(UserError) as caught:
        read_record(file)
    assert str(caught.value) == (
        f"{file}: schema_version {version}, and this version of steelexp reads 4; read it with the "
        "version that wrote it, or run the spec again with --fresh"
    )


def test_with_another_value_is_refused_in_a_line(tmp_path):
    file = tmp_path / "record.json"
    write_record(file, record())
    text = file.read_text()
    file.write_text(text.replace('"val_dice_positive": 0.5', '"val_dice_positive": 0.9'))
    assert file.read_text() != text
    with pytest.raises(UserError) as caught:
        read_record(file)
    assert str(caught.value) == (
        f"{file}: damaged: its checksum does not match its content; restore it, or remove "
        "it and let the run evaluate its weights again: "
        f"{command_line('run', tmp_path)}"
    )


@pytest.mark.parametrize("status", ["failed", "running"])
def test_is_of_a_finished_run(status):
    assert record().status == "finished"
    with pytest.raises(ValidationError, match="status"):
        record(status=status)


def test_takes_nothing_it_does_not_know():
    with pytest.raises(ValidationError, match="loss"):
        record(loss=0.1)


def test_is_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        record().seconds = 0.0


def test_every_field_is_explained():
    explained = re.findall(r"^    (\w+): ", inspect.getdoc(Record), re.MULTILINE)
    assert explained == list(Record.model_fields)
