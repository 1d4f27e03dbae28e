"""A spec with other values at some of its dotted paths."""

from collections.abc import Mapping
from typing import Any

from steelexp.spec.inheritance import merge, unite
from steelexp.spec.schema import ExperimentSpec
from steelexp.spec.yaml_tree import Branch, grafted, grown


def substitute(spec: ExperimentSpec, values: Mapping[str, Any]) -> ExperimentSpec:
    """A complete spec without a search; another component is inherited as `merge` does it.

    Args:
        spec: The resolved spec.
        values: Dotted path -> value.

    Raises:
        pydantic.ValidationError: A value is refused, or a component lacks a setting.
    """
    return type(spec).model_validate(substituted(spec, values).plain())


def substituted(spec: ExperimentSpec, values: Mapping[str, Any], where: str = "") -> Branch:
    """The tree of `substitute`, unchecked."""
    resolved = grown(spec.model_dump(mode="json", exclude={"search"}), where)
    assert isinstance(resolved, Branch)
    branches = (grafted(path.split("."), grown(value, where)) for path, value in values.items())
    return merge(resolved, unite(branches, where), type(spec))
