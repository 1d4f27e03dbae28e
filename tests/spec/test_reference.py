"""The reference of the settings, and the command that prints it."""

from pathlib import Path

import pytest
import yaml

from steelexp.__main__ import main
from steelexp.plan import SpecModel
from steelexp.spec import json_schema
from steelexp.spec.reference import parts_of, yaml_text

PAGE = Path(__file__).parents[2] / "docs" / "reference.md"


@pytest.fixture(scope="module")
def parts():
    return parts_of(json_schema(SpecModel))


@pytest.fixture(scope="module")
def settings(parts):
    return [setting for part in parts for setting in part.settings]


def test_a_setting_by_hand(settings):
    (alpha,) = [s for s in settings if (s.key, s.component) == ("loss.alpha", "focal")]
    assert alpha.values == "number, at least 0, at most 1"
    assert alpha.default == "0.25"
    assert alpha.meaning.startswith("Weight of defect pixels.")
    assert alpha.example == "loss: {name: focal, alpha: 0.25}"


def test_parts_within_parts_are_there_once(parts):
    found = [(part.key, part.component) for part in parts]
    assert len(found) == len(set(found))
    wanted = {
        ("data.grey", ""),
        ("augment.flips", "flips"),
        ("training.phases", ""),
        ("training.phases.tiling", "cover"),
        ("search.tuner", "bayesian"),
        ("search.confirm", ""),
    }
    assert wanted <= set(found)


def test_every_part_and_setting_has_a_meaning_of_its_own(parts, settings):
    assert [part for part in parts if not part.meaning] == []
    assert [setting.key for setting in settings if len(setting.meaning) < 8] == []
    pointers = ("as for ", "see ", "the same as")
    assert [s.key for s in settings if s.meaning.lower().startswith(pointers)] == []


def test_every_example_is_yaml_of_the_setting(settings):
    for setting in settings:
        value = yaml.safe_load(setting.example)
        for name in setting.key.split("."):
            value = value[0] if isinstance(value, list) else value
            assert name in value
            value = value[name]
        if setting.default not in {None, "null"}:
            assert value == yaml.safe_load(setting.default), setting.key


@pytest.mark.parametrize(
    "value", [None, True, 3, 0.5, 1e-7, "plain", "1", "null", "a b", [1, "x"], {"a": [None]}]
)
def test_text_of_a_value_is_that_value(value):
    # YAML 1.1 reads 1e-07 as text; a spec is read by the same rules as JSON.
    read = yaml.safe_load(yaml_text(value))
    assert read == value or float(read) == value


def test_the_page_is_up_to_date(capsys):
    assert main(["explain", "--page"]) == 0
    assert PAGE.read_text() == capsys.readouterr().out, (
        "python -m steelexp explain --page > docs/reference.md"
    )


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("loss.gamma", ["loss.gamma focal: ", "loss.gamma unified_focal: "]),
        ("focal", ["loss focal: Focal loss", "loss.alpha focal", "loss_warm_up focal"]),
        ("loss.focal", ["loss focal: Focal loss"]),
        ("head", ["head none: ", "head linear: ", "head.pooling linear"]),
        ("seed", ["seed: Random seed", "needed"]),
        (
            "epochs",
            ["training.epochs: ", "training.phases.epochs: ", "loss_warm_up.epochs focal: "],
        ),
        ("training.phases.epochs", ["training: {phases: [{epochs: 1}]}"]),
    ],
)
def test_a_key_is_explained(key, words, capsys):
    assert main(["explain", key]) == 0
    out = capsys.readouterr().out
    for word in words:
        assert word in out
    assert "batch_size" not in out


def test_without_a_key_the_sections_are_listed_in_80_columns(capsys):
    assert main(["explain"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("  head: none, linear") for line in lines)
    assert any(line.startswith("  augment.flips: Random flips") for line in lines)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["loss.gama"], "did you mean loss.gamma?"),
        (["loss.epochs"], "loss.epochs: no such setting, section or component"),
        (["loss", "--page"], "--page prints all settings; leave out KEY"),
    ],
)
def test_what_is_not_there_is_refused(words, message, capsys):
    assert main(["explain", *words]) == 2
    assert message in capsys.readouterr().err
