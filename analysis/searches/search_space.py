"""What a search varies: settings, their ranges and when they are active."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from steelexp.errors import UserError
from steelexp.spec.space_words import describe_condition, describe_values

Kind = Literal["choice", "int", "float", "log_uniform"]
KINDS: Final[tuple[Kind, ...]] = ("choice", "int", "float", "log_uniform")
PAIR: Final = 2  # ends of a range


@dataclass(frozen=True)
class Setting:
    """What the search varies at one dotted path.

    Attributes:
        path: Dotted path, such as "loss.gamma".
        kind: One of KINDS.
        choices: Values of a choice, in the spec's order; else empty.
        low: Least value of a range; 0 for a choice.
        high: Greatest value of a range; 0 for a choice.
        step: Step between two whole numbers.
        when: Condition in words; "" where the setting is always active.
        words: Values in words.
    """

    path: str
    kind: Kind
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    when: str = ""
    words: str = ""

    def number(self, value: Any) -> float:
        """The value as a number: of a choice its place among the choices.

        Raises:
            ValueError: the search cannot have tried it.
        """
        if self.choices:
            return float([_same(value, choice) for choice in self.choices].index(True))
        if not _is_number(value):
            raise ValueError("not a number")
        slack = 1e-9 * max(abs(self.low), abs(self.high))
        if not self.low - slack <= value <= self.high + slack:
            raise ValueError("outside its range")
        return float(value)

    def position(self, value: Any) -> float:
        """Where the value lies in its range, from 0 to 1; logarithmic for log_uniform."""
        number = self.number(value)
        if self.choices:
            return (number + 0.5) / len(self.choices)
        scale = math.log if self.kind == "log_uniform" else float
        low = scale(self.low)
        high = scale(self.high)
        return min(max((scale(number) - low) / (high - low), 0.0), 1.0) if high > low else 0.5


def read_setting(file: Path, path: str, entry: Mapping[str, Any]) -> Setting:
    """Read an entry of the space.

    Raises:
        UserError: it is neither a choice nor a range.
    """
    kinds = [kind for kind in KINDS if kind in entry]
    values = entry[kinds[0]] if len(kinds) == 1 else None
    when = describe_condition(entry.get("when"))
    words = describe_values({key: value for key, value in entry.items() if key != "when"})
    if isinstance(values, list) and values:
        if kinds[0] == "choice":
            return Setting(path, "choice", choices=tuple(values), when=when, words=words)
        if len(values) == PAIR and all(_is_number(value) for value in values):
            low, high = map(float, values)
            if low <= high and (low > 0 or kinds[0] != "log_uniform"):
                step = entry.get("step")
                step = float(step) if step is not None and _is_number(step) and step > 0 else None
                return Setting(
                    path, kinds[0], low=low, high=high, step=step, when=when, words=words
                )
    raise UserError(
        f"{file}: space.{path}: neither a choice of values nor a range [least, greatest] of "
        f"{', '.join(KINDS[1:])} (log_uniform above 0): {dict(entry)}"
    )


def _same(value: Any, choice: Any) -> bool:
    """1 and 1.0 are the same, 1 and true are not."""
    return isinstance(value, bool) == isinstance(choice, bool) and bool(value == choice)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
