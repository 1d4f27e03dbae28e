import inspect
import re

import pytest
from pydantic import ValidationError

from steelexp.records.postprocessing import ClassRules, Postprocessing, describe_rules


def test_survives_its_file():
    rules = ClassRules(threshold=0.3, min_component=40, min_area=100, min_peak_score=0.9)
    postprocessing = Postprocessing(
        metric="dice_kaggle", classes={"1": rules, "2": ClassRules(threshold=0.5)}
    )
    again = Postprocessing.model_validate_json(postprocessing.model_dump_json())
    assert again == postprocessing
    assert list(again.classes) == ["1", "2"]


def test_a_threshold_alone_is_all_that_is_needed():
    rules = ClassRules(threshold=0.5)
    assert (rules.min_component, rules.min_area, rules.min_peak_score, rules.disabled) == (
        0,
        0,
        0.0,
        False,
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": 1.1},
        {"threshold": -0.1},
        {"threshold": 0.5, "min_component": -1},
        {"threshold": 0.5, "min_area": 1.5},
        {"threshold": 0.5, "min_peak_score": 2.0},
        {"threshold": 0.5, "minimum": 4},
        {"threshold": 0.5, "gate": "firm"},
        {"threshold": 0.5, "min_image_score": 1.5},
        {},
    ],
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValidationError):
        ClassRules(**wrong)


def test_is_tuned_on_the_val_images_and_no_others():
    with pytest.raises(ValidationError, match="part"):
        Postprocessing(metric="dice_kaggle", part="test", classes={})


@pytest.mark.parametrize("model", [ClassRules, Postprocessing])
def test_every_field_is_explained(model):
    explained = re.findall(r"^    (\w+): ", inspect.getdoc(model), re.MULTILINE)
    assert explained == list(model.model_fields)


@pytest.mark.parametrize(
    ("rules", "description"),
    [
        ({"threshold": 0.5}, "score threshold 0.5"),
        ({"threshold": 0.5, "min_component": 1, "min_area": 1}, "score threshold 0.5"),
        ({"threshold": 0.5, "min_peak_score": 0.5}, "score threshold 0.5"),
        (
            {"threshold": 0.25, "min_component": 2, "min_area": 3, "min_peak_score": 0.75},
            (
                "score threshold 0.25, minimum component size 2 pixels, minimum area per image "
                "3 pixels, minimum peak score 0.75"
            ),
        ),
        ({"threshold": 0.5, "min_area": 9, "disabled": True}, "disabled"),
        ({"threshold": 0.5, "gate": "soft"}, "score threshold 0.5, soft gate"),
        (
            {"threshold": 0.5, "gate": "hard", "min_image_score": 0.3},
            "score threshold 0.5, hard gate at image score 0.3",
        ),
        (
            {"threshold": 0.5, "gate": "area", "min_area": 64},
            "score threshold 0.5, minimum area per image 64 pixels, area gate",
        ),
    ],
)
def test_rules_without_effect_are_left_out_of_the_description(rules, description):
    assert describe_rules(ClassRules(**rules)) == description


def test_rules_without_a_gate_are_written_as_before_there_were_gates():
    assert ClassRules(threshold=0.5).model_dump(mode="json") == {
        "threshold": 0.5,
        "min_component": 0,
        "min_area": 0,
        "min_peak_score": 0.0,
        "disabled": False,
    }
    gated = ClassRules(threshold=0.5, gate="hard", min_image_score=0.3)
    assert ClassRules.model_validate_json(gated.model_dump_json()) == gated
    assert "gate" in gated.model_dump()
