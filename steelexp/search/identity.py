"""What makes two searches the same, so that one can go on with the trials of the other."""

import json
from collections.abc import Mapping
from typing import Any, Final

from steelexp.spec import ExperimentSpec, flat
from steelexp.spec.effects import WITHOUT_EFFECT, is_part_of
from steelexp.spec.space import SearchSpec

_BUDGETS: Final = {f"search.{name}" for name in (*SearchSpec.BUDGETS, "minimum_gain", "confirm")}
_CHANGEABLE: Final = (WITHOUT_EFFECT - {"search"}) | _BUDGETS


def identity(spec: ExperimentSpec, digest: str) -> dict[str, Any]:
    """Dotted key -> value of all that decides which trials are proposed and what they score.

    Budgets may change, and so may settings that cannot change a score. The content of the data set
    is in the digest.

    Args:
        spec: Spec with a search.
        digest: Digest of the spec on its data.
    """
    assert spec.search is not None
    settings = spec.model_dump(mode="json", exclude={"search": {"space"}})
    space = {path: dimension.as_written() for path, dimension in spec.search.space.items()}
    every = flat(settings) | {f"search.space.{path}": values for path, values in space.items()}
    fixed = {key: value for key, value in every.items() if not is_part_of(key, _CHANGEABLE)}
    return fixed | {"digest": digest}


def differences(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """One line for each setting that has changed.

    A setting that an earlier version did not have, and that is empty now, has not changed.
    """
    keys = [key for key in (*recorded, *now) if _unset(recorded.get(key)) != _unset(now.get(key))]
    lines = [_difference(key, recorded, now) for key in dict.fromkeys(keys) if key != "digest"]
    if not lines and "digest" in keys:
        lines = ["the content of the data set, its split or the weights file is another"]
    return lines


def _difference(key: str, recorded: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    if key not in recorded:
        return f"{key}: {_text(now[key])} is new"
    if key not in now:
        return f"{key}: it was {_text(recorded[key])} and is gone"
    return f"{key}: it was {_text(recorded[key])} and is {_text(now[key])}"


def _unset(value: Any) -> Any:
    return None if value == [] else value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
