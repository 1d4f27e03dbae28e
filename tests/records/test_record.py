import inspect
import json
import re

import pytest
from pydantic import ValidationError

from steelexp.records.postprocessing import ClassRules, Postprocessing
from steelexp.records.record import Record
from tests.finished_runs import record


def test_survives_its_file():
    made = record()
    assert Record.model_validate_json(made.model_dump_json(indent=2)) == made


def test_of_another_version_is_refused():
    with pytest.raises(ValidationError, match="schema_version"):
        record(schema_version=3)


@pytest.mark.parametrize("status", ["failed", "running"])
def test_is_of_a_finished_run(status):
    assert record().status == "finished"
    with pytest.raises(ValidationError, match="status"):
        record(status=status)


def test_takes_nothing_it_does_not_know():
    with pytest.raises(ValidationError, match="loss"):
        record(loss=0.1)


def test_of_thresholds_alone_is_read_as_a_postprocessing():
    old = json.loads(record(tuned_thresholds={"1": 0.3, "2": 0.9}).model_dump_json())
    del old["postprocessing"]
    read = Record.model_validate_json(json.dumps(old | {"tuned_thresholds": {"1": 0.3, "2": 0.9}}))
    assert read.postprocessing == Postprocessing(
        metric="dice_kaggle",
        classes={"1": ClassRules(threshold=0.3), "2": ClassRules(threshold=0.9)},
    )
    assert (
        Record.model_validate_json(json.dumps(old | {"tuned_thresholds": None})).postprocessing
        is None
    )
    assert Record.model_validate_json(json.dumps(old)).postprocessing is None


def test_is_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        record().seconds = 0.0


def test_every_field_is_explained():
    explained = re.findall(r"^    (\w+): ", inspect.getdoc(Record), re.MULTILINE)
    assert explained == list(Record.model_fields)
