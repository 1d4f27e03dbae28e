from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError

from steelexp.model.losses import LOSSES
from steelexp.plan import COMPONENTS, SpecModel
from steelexp.spec.component import argument_descriptions, component_model, one_of
from steelexp.spec.experiment_model import PREFIXES
from steelexp.spec.schema import SECTIONS, LossSpec


def tversky(
    y_true,
    logits,
    *,
    alpha: Annotated[float, Field(ge=0, le=1)],
    beta: float = 0.7,
    mode: Literal["tile", "batch"] = "tile",
):
    """Tversky loss.

    1 - (tp + s) / (tp + alpha fp + beta fn + s).

    Args:
        y_true: [B, h, w, C] of 0 and 1.
        logits: [B, h, w, C].
        alpha: weight of false positives,
            on two lines.
        beta: weight of false negatives.

    Returns:
        [B].
    """
    return y_true, logits, alpha, beta, mode


TVERSKY = component_model(LossSpec, "tversky", tversky)


def make(**settings):
    return TVERSKY.model_validate({"name": "tversky", **settings})


class TestModelOfAFunction:
    def test_keyword_only_arguments_are_the_fields(self):
        assert list(TVERSKY.model_fields) == ["name", "alpha", "beta", "mode"]
        assert make(alpha=0.25).settings == {"alpha": 0.25, "beta": 0.7, "mode": "tile"}

    @pytest.mark.parametrize(
        ("settings", "where", "kind"),
        [
            ({}, "alpha", "missing"),
            ({"alpha": 1.5}, "alpha", "less_than_equal"),
            ({"alpha": "0.5"}, "alpha", "float_type"),
            ({"alpha": float("nan")}, "alpha", "finite_number"),
            ({"alpha": 0.5, "beta": float("inf")}, "beta", "finite_number"),
            ({"alpha": 0.5, "beta": True}, "beta", "float_type"),
            ({"alpha": 0.5, "mode": "image"}, "mode", "literal_error"),
            ({"alpha": 0.5, "gamma": 2.0}, "gamma", "extra_forbidden"),
            ({"alpha": 0.5, "name": "dice"}, "name", "literal_error"),
        ],
    )
    def test_refuses(self, settings, where, kind):
        with pytest.raises(ValidationError) as caught:
            make(**settings)
        assert [(e["loc"], e["type"]) for e in caught.value.errors()] == [((where,), kind)]

    def test_descriptions_come_from_the_docstring(self):
        schema = TVERSKY.model_json_schema()
        assert schema["description"] == "Tversky loss."
        alpha, beta = schema["properties"]["alpha"], schema["properties"]["beta"]
        assert alpha["description"] == "weight of false positives, on two lines."
        assert beta["description"] == "weight of false negatives."
        assert (alpha["minimum"], alpha["maximum"], beta["default"]) == (0, 1, 0.7)

    def test_is_frozen(self):
        with pytest.raises(ValidationError, match="frozen"):
            make(alpha=0.5).beta = 0.1

    def test_bind_fills_every_setting_in(self):
        bound = make(alpha=0.25, mode="batch").bind({"tversky": tversky})
        assert bound("y", "z") == ("y", "z", 0.25, 0.7, "batch")


class TestArgumentDescriptions:
    def test_of_a_function_without_a_docstring(self):
        assert argument_descriptions(lambda x: x) == {}

    def test_end_with_the_section(self):
        assert list(argument_descriptions(tversky)) == ["y_true", "logits", "alpha", "beta"]


class TestOneOf:
    def test_lists_the_names_for_editors(self):
        def f(*, kind: one_of(["b", "a"])): ...

        model = component_model(LossSpec, "f", f)
        assert model.model_json_schema()["properties"]["kind"]["enum"] == ["a", "b"]
        assert model.model_validate({"name": "f", "kind": "b"}).settings == {"kind": "b"}
        with pytest.raises(ValidationError):
            model.model_validate({"name": "f", "kind": "c"})


class TestReadBack:
    def test_takes_settings_that_no_component_has_today(self):
        old = LossSpec.model_validate({"name": "gone", "delta": 1})
        assert (old.choice, old.settings) == ("gone", {"delta": 1})

    def test_names_an_unknown_component_when_bound(self):
        with pytest.raises(KeyError, match="gone"):
            LossSpec.model_validate({"name": "gone"}).bind(LOSSES)


@pytest.mark.parametrize(
    ("section", "name"), [(s, name) for s, registry in COMPONENTS.items() for name in registry]
)
def test_every_setting_of_every_component_is_described(section, name):
    described = argument_descriptions(COMPONENTS[section][name])
    schema = SpecModel.model_json_schema()["$defs"][PREFIXES.get(section, "") + name]
    outside = SECTIONS[section].outside if section in SECTIONS else ()
    others = {"name", "kind", "source", "architecture", *outside}
    assert [key for key in schema["properties"] if key not in {*described, *others}] == []
