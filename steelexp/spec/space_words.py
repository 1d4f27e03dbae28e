"""A search space in words, for the command line, the HTML page and the analyses."""

from collections.abc import Mapping
from typing import Any

_KINDS = {"int": "whole numbers ", "float": "", "log_uniform": "log, "}


def describe_values(values: Mapping[str, Any]) -> str:
    """Values of one setting: {"int": [4, 16], "step": 4} is "whole numbers 4 to 16, step 4".

    Args:
        values: Entry of a search space, as a spec or search.json has it.
    """
    parts = []
    for key, value in values.items():
        if key == "choice":
            parts.append(f"one of {', '.join(map(describe_value, value))}")
        elif key in _KINDS and isinstance(value, list) and len(value) == 2:
            low, high = map(describe_value, value)
            parts.append(f"{_KINDS[key]}{low} to {high}")
        elif key != "when":
            parts.append(f"{key.replace('_', ' ')} {describe_value(value)}")
    if condition := describe_condition(values.get("when")):
        parts.append(f"only when {condition}")
    return ", ".join(parts)


def describe_condition(when: Any) -> str:
    """Condition of one setting: {"loss.name": ["focal"]} is "loss.name is focal"."""
    if not isinstance(when, Mapping):
        return ""
    parts = []
    for path, values in when.items():
        alternatives = values if isinstance(values, list) else [values]
        parts.append(f"{path} is {' or '.join(map(describe_value, alternatives))}")
    return " and ".join(parts)


def describe_point(values: Mapping[str, Any]) -> str:
    """Values of a point of the space: "loss.name dice, optimizer.learning_rate 0.001"."""
    return ", ".join(f"{path} {describe_value(value)}" for path, value in values.items())


def describe_value(value: Any) -> str:
    """A value as YAML has it; numbers with four digits."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return f"{value:.4g}" if isinstance(value, float) else str(value)
