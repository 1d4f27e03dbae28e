"""Starting points of a search: settings that are tried first, such as the spec's own.

    start: [{}, {loss.name: focal, optimizer.learning_rate: 3.0e-3}]

What a point does not name is the spec's own value, and with another component that component's.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from steelexp.errors import excerpt
from steelexp.spec.explain import nearest
from steelexp.spec.schema import ExperimentSpec
from steelexp.spec.space import Space, is_active, parents_first
from steelexp.spec.space_words import describe_condition, describe_values
from steelexp.spec.substitution import substitute

Values = dict[str, Any]


class StartError(ValueError):
    """A starting point that the space does not hold; the message names the setting."""


def starting_points(spec: ExperimentSpec) -> list[Values]:
    """The value of every active setting of the space at each starting point.

    Args:
        spec: Spec with a search that `steelexp check` accepts.
    """
    assert spec.search is not None
    return [complete_point(spec, start) for start in spec.search.start]


def start_problems(spec: ExperimentSpec) -> Iterator[tuple[str, str]]:
    """Dotted key and message of each starting point that the space does not hold."""
    assert spec.search is not None
    points: list[Values] = []
    for number, start in enumerate(spec.search.start):
        key = f"search.start[{number}]"
        try:
            point = complete_point(spec, start)
        except StartError as error:
            yield key, str(error)
            continue
        if point in points:
            yield key, f"the same as start[{points.index(point)}]; leave one out"
        points.append(point)


def complete_point(spec: ExperimentSpec, start: Mapping[str, Any]) -> Values:
    """The value of every active setting of the space, in the order of the space.

    Args:
        spec: Spec with a search.
        start: Dotted path -> value; what is absent is the spec's own.

    Raises:
        StartError: The space does not hold a value.
    """
    assert spec.search is not None
    space = spec.search.space
    for path in start:
        if path not in space:
            holds = f"it holds: {', '.join(space)}"
            raise StartError(f"{path}: not in search.space{nearest(path, space)}; {holds}")
    values: Values = {}
    for path in parents_first(space):
        if is_active(space[path], values):
            values[path] = _value(spec, path, start, values)
        elif path in start:
            condition = describe_condition(space[path].when)
            raise StartError(f"{path}: used only when {condition}; leave it out")
    _substituted(spec, values)
    return {path: values[path] for path in space if path in values}


def _value(spec: ExperimentSpec, path: str, start: Mapping[str, Any], values: Values) -> Any:
    """A written value, or the spec's own with the values of other settings."""
    dimension = (spec.search.space if spec.search else {})[path]
    own = path not in start
    value = own_value(_substituted(spec, values), path) if own else start[path]
    if own and dimension.choice is not None and value not in dimension.choice:
        value = _same_choice(spec, path, values, value)
    if dimension.holds(value):
        return dimension.value(value) if dimension.whole is not None else value
    source = ", the spec's own value," if own else ""
    text = f"{path}: {excerpt(value)}{source} is not in the space"
    raise StartError(f"{text}: {describe_values(dimension.as_written())}")


def own_value(spec: ExperimentSpec, path: str) -> Any:
    """The value of a dotted path in a resolved spec.

    Raises:
        StartError: The spec has no such setting.
    """
    value: Any = spec.model_dump(mode="json")
    for key in path.split("."):
        if not isinstance(value, Mapping) or key not in value:
            raise StartError(f"{path}: the spec has no value of its own; name one")
        value = value[key]
    return value


def _same_choice(spec: ExperimentSpec, path: str, values: Values, value: Any) -> Any:
    """The choice that means the value, such as {name: dice} with all defaults written out."""
    space: Space = spec.search.space if spec.search else {}
    own = _substituted(spec, values)
    for choice in space[path].choice or ():
        if _substituted(spec, {**values, path: choice}) == own:
            return choice
    return value


def _substituted(spec: ExperimentSpec, values: Mapping[str, Any]) -> ExperimentSpec:
    try:
        return substitute(spec, values)
    except ValidationError as error:
        (first, *_) = error.errors()
        key = ".".join(map(str, first["loc"]))
        raise StartError(f"{key}: {first['msg']}") from None
