import inspect
import json
import re

import pytest
from pydantic import ValidationError

from steelexp.errors import UserError
from steelexp.records.record import Record, read_record
from tests.finished_runs import record


def test_survives_its_file():
    made = record()
    assert Record.model_validate_json(made.model_dump_json(indent=2)) == made


@pytest.mark.parametrize(
    ("version", "who"),
    [
        (1, "version 0.1 of steelexp wrote this run"),
        (2, "version 0.1 of steelexp wrote this run"),
        (4, "another version of steelexp wrote this run (schema_version 4)"),
    ],
)
def test_of_another_version_is_refused_in_a_line(tmp_path, version, who):
    file = tmp_path / "record.json"
    file.write_text(json.dumps({"schema_version": version, "metrics": {"test_decided_a": 1}}))
    with pytest.raises(UserError) as caught:
        read_record(file)
    assert str(caught.value) == (
        f"{file}: {who}, and this version does not read it; train it again from its spec, or move "
        "its folder elsewhere and read it with the version that wrote it"
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
