"""The model of a spec file: its sections with the settings of all components."""

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Annotated, Any

from pydantic import Field, create_model

from steelexp.spec.component import Component, Registry, chain_model, component_model
from steelexp.spec.schema import CHAINS, SECTIONS, ExperimentSpec
from steelexp.spec.space import SearchSpec
from steelexp.spec.training_section import PhaseSpec, TrainingSpec

PREFIXES = {
    "loss_warm_up": "loss_warm_up_",
    "averaging": "averaging_",
    "head": "head_",
    "search.tuner": "tuner_",
}
"""Prefixes of model names, for sections whose components have the names of others."""


def experiment_model(components: Mapping[str, Registry]) -> type[ExperimentSpec]:
    """ExperimentSpec with the settings of all components.

    Args:
        components: Section name -> its components.
    """
    fields: dict[str, Any] = {}
    for section, registry in components.items():
        if section in CHAINS:
            model = chain_model(CHAINS[section], registry)
            fields[section] = (model, Field(default=model()))
            continue
        models = _models(section, registry)
        union = _one_of(models, SECTIONS[section].selector)
        if section == "search.tuner":
            search = create_model("SearchSpec", __base__=SearchSpec, tuner=(union, Field()))
            fields["search"] = (search | None, ExperimentSpec.model_fields["search"])
            continue
        if section == "tiling":
            phase = create_model("PhaseSpec", __base__=PhaseSpec, tiling=(union, Field()))
            training = create_model(
                "TrainingSpec",
                __base__=TrainingSpec,
                phases=(list[phase], TrainingSpec.model_fields["phases"]),
            )
            fields["training"] = (training, ExperimentSpec.model_fields["training"])
        default = ExperimentSpec.model_fields[section].default
        if isinstance(default, Component):
            default = models[default.choice].model_validate(default.model_dump())
        fields[section] = (union, Field(default=default))
    return create_model("Experiment", __base__=ExperimentSpec, **fields)


def _models(section: str, registry: Registry) -> dict[str, type[Component]]:
    parent = SECTIONS[section]
    prefix = PREFIXES.get(section, "")
    return {name: component_model(parent, name, f, prefix) for name, f in registry.items()}


def _one_of(models: Mapping[str, type[Component]], selector: str) -> Any:
    union: Any = reduce(or_, models.values())
    return Annotated[union, Field(discriminator=selector)] if len(models) > 1 else union


def json_schema(model: type[ExperimentSpec]) -> dict[str, Any]:
    """The JSON Schema of a spec file, for editors.

    Nothing is required: a file that says `extends` gives only what differs, and `steelexp check`
    reports what is missing after inheritance. Such a section need not name its component, so more
    than one may fit.
    """
    schema = model.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "steelexp experiment"
    schema["properties"]["extends"] = {
        "type": "string",
        "description": "A spec to inherit from, relative to this file.",
    }
    tuner = schema["$defs"]["SearchSpec"]["properties"]["tuner"]
    tiling = schema["$defs"]["PhaseSpec"]["properties"]["tiling"]
    for section in (*schema["properties"].values(), tuner, tiling):
        if "oneOf" in section:
            section["anyOf"] = section.pop("oneOf")
            del section["discriminator"]
    for section in CHAINS.values():
        for setting in schema["$defs"][section.__name__]["properties"].values():
            del setting["default"]
            setting["anyOf"] = [{"$ref": setting.pop("$ref")}, {"const": False}]
    for part in (schema, *schema["$defs"].values()):
        part.pop("required", None)
    return schema
