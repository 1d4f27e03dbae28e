"""A validation error as a message with line, value and way out."""

import difflib
from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel

from steelexp.errors import excerpt
from steelexp.limits import KEY_TEXT
from steelexp.spec.component import Component, UnknownNameError
from steelexp.spec.renamed import renamed_key, renamed_value
from steelexp.spec.schema import SECTIONS, ExperimentSpec
from steelexp.spec.yaml_tree import Branch, Leaf, Problem, Tree


def explain(tree: Branch, model: type[ExperimentSpec], detail: Any) -> Problem:
    """Turn a pydantic error into a problem.

    Args:
        tree: Settings with their lines.
        model: Model that refused them.
        detail: One of `ValidationError.errors()`.
    """
    loc = list(detail["loc"])
    if detail["type"].startswith("union_tag"):
        loc.append(_section(loc).selector)
    else:
        for end in range(1, 5):  # search.tuner and training.phases[0].tiling lie within others
            if len(loc) > end and len(_variants(model, loc[:end])) > 1:
                del loc[end]  # the component's name, which pydantic puts in behind the section's
    return Problem(_where(tree, loc), _dotted(loc), _message(tree, model, detail, loc))


def nearest(name: str, options: Iterable[str]) -> str:
    """The ending "; did you mean X?" if one of the options is similar."""
    if len(name) > KEY_TEXT:  # its time grows with the square of the length
        return ""
    matches = difflib.get_close_matches(name, list(options), n=1, cutoff=0.5)
    return f"; did you mean {matches[0]}?" if matches else ""


def _section(loc: list[Any]) -> type[Component]:
    """The class of a section, which may be one of a phase."""
    return SECTIONS.get(_dotted(loc)) or SECTIONS[loc[-1]]


def _dotted(loc: list[Any]) -> str:
    """("model", "decoder_filters", 0) -> model.decoder_filters[0]."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)[1:]


def _message(tree: Branch, model: type[ExperimentSpec], detail: Any, loc: list[Any]) -> str:
    kind = detail["type"]
    value = detail.get("input")
    context = detail.get("ctx", {})
    names = _names(tree, model, detail, loc)
    allowed = f"; allowed: {', '.join(names)}" if names else ""
    if kind in {"missing", "union_tag_not_found"}:
        return f"missing{allowed}"
    if kind == "extra_forbidden":
        if renamed := renamed_key(_dotted(loc)):
            return renamed
        return f"unknown setting{_elsewhere(model, loc)}{allowed}{nearest(loc[-1], names)}"
    if kind in {"model_type", "model_attributes_type", "dict_type"}:
        return f"{excerpt(value)}: a mapping of settings is expected"
    if names:
        named = context.get("tag", value)
        if renamed := renamed_value(_dotted(loc), named):
            return renamed
        return f"{excerpt(named)} is not known{allowed}{nearest(str(named), names)}"
    return f"{excerpt(value)}: {detail['msg'][0].lower()}{detail['msg'][1:]}"


def _elsewhere(model: type[ExperimentSpec], loc: list[Any]) -> str:
    """The words ", it is one of focal" if another component of the section has the setting."""
    owners = [_component(v) for v in _variants(model, loc[:-1]) if loc[-1] in v.model_fields]
    return f", it is one of {' and '.join(owners)}" if owners else ""


def _names(tree: Branch, model: type[ExperimentSpec], detail: Any, loc: list[Any]) -> list[str]:
    """The names that are allowed at a place: of components, of settings, or of a choice."""
    if detail["type"].startswith("union_tag"):
        return [_component(variant) for variant in _variants(model, loc[:-1])]
    error = detail.get("ctx", {}).get("error")
    if isinstance(error, UnknownNameError):
        return error.options
    owner = _owner(tree, model, loc)
    if detail["type"] == "extra_forbidden":
        fields = [field.alias or name for name, field in owner.model_fields.items()]
        return [*fields, *(["extends"] if owner is model else [])]
    if detail["type"] not in {"literal_error", "missing"}:
        return []
    field = owner.model_fields.get(loc[-1])
    choices = get_args(field.annotation) if field is not None else ()
    return [name for name in choices if isinstance(name, str)]


def _owner(tree: Branch, model: type[ExperimentSpec], loc: list[Any]) -> type[BaseModel]:
    """The model with the key at `loc`."""
    variants = _variants(model, loc[:-1]) or [model]
    if len(variants) == 1:
        return variants[0]
    selector = _at(tree, [*loc[:-1], _section(loc[:-1]).selector])
    component = selector.value if isinstance(selector, Leaf) else None
    return next((v for v in variants if _component(v) == component), variants[0])


def _variants(model: type[ExperimentSpec], loc: list[Any]) -> list[type[BaseModel]]:
    """The models at `loc`: for a section, one per component."""
    models: list[type[BaseModel]] = [model]
    for part in loc:
        fields = [v.model_fields[part] for v in models if part in v.model_fields]
        if fields:  # or it is a key of a mapping, whose values have the models so far
            annotation = fields[0].annotation
            parts = get_args(annotation) or (annotation,)
            models = [p for p in parts if isinstance(p, type) and issubclass(p, BaseModel)]
    return models


def component_models(model: type[ExperimentSpec], section: str) -> dict[str, type[BaseModel]]:
    """The models of a section's components, by the names of the components.

    Args:
        model: `experiment_model(...)` of the known components.
        section: Dotted name of the section.
    """
    return {_component(variant): variant for variant in _variants(model, section.split("."))}


def _component(variant: type[BaseModel]) -> str:
    """The name by which a spec chooses a model."""
    return variant.component if issubclass(variant, Component) else variant.__name__


def _where(tree: Branch, loc: list[Any]) -> str:
    """The line of the nearest setting that was written."""
    while (node := _at(tree, loc)) is None:
        loc = loc[:-1]
    return node.where


def _at(tree: Branch, loc: list[Any]) -> Tree | None:
    """The setting at `loc`, if it was written."""
    node: Tree = tree
    for part in loc:
        if not isinstance(node, Branch) or part not in node.items:
            return None
        node = node.items[part]
    return node
