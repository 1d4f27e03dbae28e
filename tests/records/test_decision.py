import inspect
import re

import pytest
from pydantic import ValidationError

from steelexp.records.decision import ClassDecision, Decision


def test_survives_its_file():
    rules = ClassDecision(threshold=0.3, component=40, area=100, gate=0.9)
    made = Decision(metric="dice_kaggle", classes={"1": rules, "2": ClassDecision(threshold=0.5)})
    again = Decision.model_validate_json(made.model_dump_json())
    assert again == made
    assert list(again.classes) == ["1", "2"]


def test_a_threshold_alone_is_all_that_is_needed():
    rules = ClassDecision(threshold=0.5)
    assert (rules.component, rules.area, rules.gate, rules.never) == (0, 0, 0.0, False)


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": 1.1},
        {"threshold": -0.1},
        {"threshold": 0.5, "component": -1},
        {"threshold": 0.5, "area": 1.5},
        {"threshold": 0.5, "gate": 2.0},
        {"threshold": 0.5, "minimum": 4},
        {},
    ],
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValidationError):
        ClassDecision(**wrong)


def test_is_tuned_on_the_tune_strips_and_no_others():
    with pytest.raises(ValidationError, match="part"):
        Decision(metric="dice_kaggle", part="test", classes={})


@pytest.mark.parametrize("model", [ClassDecision, Decision])
def test_every_field_is_explained(model):
    explained = re.findall(r"^    (\w+): ", inspect.getdoc(model), re.MULTILINE)
    assert explained == list(model.model_fields)
