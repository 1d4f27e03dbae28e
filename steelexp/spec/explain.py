"""A validation error, said with its line, its value and the way out."""

import difflib
from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel

from steelexp.spec.component import Component, UnknownNameError
from steelexp.spec.renamed import renamed_key, renamed_value
from steelexp.spec.schema import SECTIONS, ExperimentSpec
from steelexp.spec.yaml_tree import Branch, Leaf, Problem, Tree


def explain(tree: Branch, model: type[ExperimentSpec], detail: Any) -> Problem:
    """A pydantic error as a problem.

    Args:
        tree: what was written, with its lines.
        model: what it was validated against.
        detail: one of `ValidationError.errors()`.
    """
    loc = list(detail["loc"])
    if detail["type"].startswith("union_tag"):
        loc.append(SECTIONS[_dotted(loc)].selector)
    else:
        for end in (1, 2):  # search.tuner is the one section within another
            if len(loc) > end and len(_variants(model, loc[:end])) > 1:
                del loc[end]  # the component's name, which pydantic puts in behind the section's
    return Problem(_where(tree, loc), _dotted(loc), _message(tree, model, detail, loc))


def nearest(name: str, known: Iterable[str]) -> str:
    """The ending "; did you mean X?" where one of the known names is near."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {found[0]}?" if found else ""


def _dotted(loc: list[Any]) -> str:
    """("model", "decoder_filters", 0) -> model.decoder_filters[0]."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)[1:]


def _message(tree: Branch, model: type[ExperimentSpec], detail: Any, loc: list[Any]) -> str:
    kind, value, context = detail["type"], detail.get("input"), detail.get("ctx", {})
    names = _names(tree, model, detail, loc)
    allowed = f"; allowed: {', '.join(names)}" if names else ""
    if kind in {"missing", "union_tag_not_found"}:
        return f"missing{allowed}"
    if kind == "extra_forbidden":
        if renamed := renamed_key(_dotted(loc)):
            return renamed
        return f"unknown setting{_elsewhere(model, loc)}{allowed}{nearest(loc[-1], names)}"
    if kind in {"model_type", "model_attributes_type", "dict_type"}:
        return f"{value!r}: a mapping of settings is expected"
    if names:
        named = context.get("tag", value)
        if renamed := renamed_value(_dotted(loc), named):
            return renamed
        return f"{named!r} is not known{allowed}{nearest(str(named), names)}"
    return f"{value!r}: {detail['msg'][0].lower()}{detail['msg'][1:]}"


def _elsewhere(model: type[ExperimentSpec], loc: list[Any]) -> str:
    """The words ", it is one of focal" where another component of the section has it."""
    owners = [_component(v) for v in _variants(model, loc[:-1]) if loc[-1] in v.model_fields]
    return f", it is one of {' and '.join(owners)}" if owners else ""


def _names(tree: Branch, model: type[ExperimentSpec], detail: Any, loc: list[Any]) -> list[str]:
    """What could have stood there: names of components, of settings, or of a choice."""
    if detail["type"].startswith("union_tag"):
        return [_component(variant) for variant in _variants(model, loc[:-1])]
    error = detail.get("ctx", {}).get("error")
    if isinstance(error, UnknownNameError):
        return error.known
    owner = _owner(tree, model, loc)
    if detail["type"] == "extra_forbidden":
        fields = [field.alias or name for name, field in owner.model_fields.items()]
        return [*fields, *(["extends"] if owner is model else [])]
    field = owner.model_fields.get(loc[-1])
    choices = get_args(field.annotation) if field is not None else ()
    return [name for name in choices if isinstance(name, str)]


def _owner(tree: Branch, model: type[ExperimentSpec], loc: list[Any]) -> type[BaseModel]:
    """The model that holds the key at `loc`."""
    variants = _variants(model, loc[:-1]) or [model]
    if len(variants) == 1:
        return variants[0]
    named = _at(tree, [*loc[:-1], SECTIONS[_dotted(loc[:-1])].selector])
    chosen = named.value if isinstance(named, Leaf) else None
    return next((v for v in variants if _component(v) == chosen), variants[0])


def _variants(model: type[ExperimentSpec], loc: list[Any]) -> list[type[BaseModel]]:
    """The models of what stands at `loc`: of a section, one a component."""
    found: list[type[BaseModel]] = [model]
    for part in loc:
        fields = [v.model_fields[part] for v in found if part in v.model_fields]
        if fields:  # or it is a key of a mapping, whose values are of the models found
            annotation = fields[0].annotation
            parts = get_args(annotation) or (annotation,)
            found = [p for p in parts if isinstance(p, type) and issubclass(p, BaseModel)]
    return found


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
    """The line of the nearest thing that was written."""
    while (node := _at(tree, loc)) is None:
        loc = loc[:-1]
    return node.where


def _at(tree: Branch, loc: list[Any]) -> Tree | None:
    """What was written there."""
    node: Tree = tree
    for part in loc:
        if not isinstance(node, Branch) or part not in node.items:
            return None
        node = node.items[part]
    return node
