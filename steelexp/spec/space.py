"""The space of a search: the settings that vary, their values and their conditions.

    optimizer.learning_rate: {log_uniform: [1.0e-4, 1.0e-2]}
    loss.name: {choice: [dice, focal]}
    loss.gamma: {float: [0.5, 4.0], when: {loss.name: [focal]}}
    training.batch_size: {int: [4, 16], step: 4}

A tuner works on numbers: a choice is its index in the list, any other value is itself.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from graphlib import TopologicalSorter
from typing import Annotated, Any, ClassVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    model_validator,
)
from pydantic_core import PydanticCustomError

from steelexp.limits import SEARCH_STARTS, SEARCH_VALUES, Seed, Trials
from steelexp.spec.component import STRICT, Component

KINDS = ("choice", "int", "float", "log_uniform")
_DIGITS = 4  # of a range's width, or of a number where factors count: a spec is to be read
_FEW = 32  # values of a range that are all checked

_Pair = Field(min_length=2, max_length=2)


class Dimension(BaseModel):
    """The values of one setting: one of choice, int, float and log_uniform."""

    model_config = STRICT | ConfigDict(serialize_by_alias=True)

    choice: list[Any] | None = Field(
        None, max_length=SEARCH_VALUES, description="One of these values."
    )
    whole: Annotated[list[int], _Pair] | None = Field(
        None, alias="int", description="A whole number from the first to the second, both included."
    )
    real: Annotated[list[float], _Pair] | None = Field(
        None, alias="float", description="A number between the two."
    )
    log_uniform: Annotated[list[float], _Pair] | None = Field(
        None, description="A number between the two, every factor as likely as any other."
    )
    step: PositiveInt = Field(1, description="Between two whole numbers.")
    when: dict[str, list[Any]] = Field(
        {}, description="Another setting of the space -> the values with which this one is used."
    )

    @model_validator(mode="after")
    def _bounded(self) -> "Dimension":
        """Refuse a range of more whole numbers than can be listed."""
        if self.whole and (self.whole[1] - self.whole[0]) // self.step >= SEARCH_VALUES:
            raise PydanticCustomError(
                "values",
                f"more than {SEARCH_VALUES:,} whole numbers; take a larger step, or float",
            )
        return self

    @property
    def kinds(self) -> list[str]:
        """The kinds that are set; exactly one in a valid space."""
        values = (self.choice, self.whole, self.real, self.log_uniform)
        return [kind for kind, value in zip(KINDS, values, strict=True) if value is not None]

    @property
    def bounds(self) -> tuple[float, float]:
        """Lower and upper end of the range."""
        low, high = self.whole or self.real or self.log_uniform or (0, 0)
        return low, high

    @property
    def finite(self) -> list[Any] | None:
        """All values; None for a continuous range."""
        if self.choice is not None:
            return self.choice
        return list(range(self.whole[0], self.whole[1] + 1, self.step)) if self.whole else None

    @property
    def extremes(self) -> list[Any]:
        """The values to check a component with: all, or the ends of a long range."""
        values = self.finite or list(self.bounds)
        many = self.choice is None and len(values) > _FEW
        return [values[0], values[-1]] if many else values

    def holds(self, value: Any) -> bool:
        """Whether a value is one of those of the dimension."""
        if self.choice is not None:
            return value in self.choice
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)):
            return False
        low, high = self.bounds
        return low <= value <= high and (not self.whole or (value - low) % self.step == 0)

    def number(self, value: Any) -> float:
        """The number of a value for a tuner."""
        return self.choice.index(value) if self.choice is not None else value

    def value(self, number: float) -> Any:
        """The value of a tuner's number."""
        if self.choice is not None:
            return self.choice[round(number)]
        if self.whole is not None:
            return round(number)
        low, high = self.bounds
        finest = high - low if self.real else number
        short = round(float(number), _DIGITS - math.ceil(math.log10(finest)))
        return min(max(short, low), high)

    def points(self, count: int) -> list[Any]:
        """The values of a grid: all, or `count` of a continuous range with its ends."""
        if self.finite is not None:
            return self.finite
        low, high = self.bounds
        shares = [i / (count - 1) for i in range(count)] if count > 1 else [0.5]
        if self.log_uniform:
            return [self.value(low * (high / low) ** share) for share in shares]
        return [self.value(low + (high - low) * share) for share in shares]

    def as_written(self) -> dict[str, Any]:
        """The dimension as it is written in a spec."""
        return self.model_dump(mode="json", exclude_defaults=True)


Space = Mapping[str, Dimension]
"""Dotted path of a setting -> its values."""


class TunerSpec(Component):
    """The tuner, which proposes the values of the next trial."""

    name: str


class ConfirmSpec(BaseModel):
    """Training of the best trials again with new seeds, after the search."""

    model_config = STRICT

    top: Annotated[int, Field(gt=0, le=100)] = Field(description="Number of the best trials.")
    seeds: Annotated[int, Field(gt=0, le=100)] = Field(
        description="Number of new seeds for each of them."
    )


class SearchSpec(BaseModel):
    """A hyperparameter search: tuner, budget and search space."""

    model_config = STRICT

    tuner: TunerSpec
    trials: Trials | None = Field(None, description="Largest number of trials.")
    epochs: PositiveInt | None = Field(
        None, description="Largest number of trained epochs over all trials."
    )
    hours: PositiveFloat | None = Field(
        None, description="Hours after which no trial begins; running trials are finished."
    )
    patience: PositiveInt | None = Field(
        None,
        description="Trials without a gain over the best, after which no trial begins; running "
        "trials are finished.",
    )
    minimum_gain: NonNegativeFloat = Field(
        0.0,
        description="Patience: a score has to be better than that of the last gain by more than "
        "this.",
    )
    objective: str | list[str] | None = Field(
        None,
        description="What trials are compared by, such as val_post_dice_positive or seconds; of "
        "several the first picks the best trial. Absent: training.monitor.",
    )
    seed: Seed = Field(0, description="Seed of the proposals, not of the training.")
    space: dict[str, Dimension] = Field(description="Dotted path of a setting -> its values.")
    start: list[dict[str, Any]] = Field(
        [],
        max_length=SEARCH_STARTS,
        description="Settings of the space to try first, by dotted path; a setting that is absent "
        "has the spec's own value.",
    )

    reuse: list[str] = Field(
        [],
        max_length=100,
        description="Folders of earlier searches, RUNS/NAME/search, whose trials in this space are "
        "known from the start.",
    )
    confirm: ConfirmSpec | None = Field(
        None, description="Train the best trials again with new seeds and report test metrics."
    )

    BUDGETS: ClassVar[tuple[str, ...]] = ("trials", "epochs", "hours", "patience")


def parents_first(space: Space) -> list[str]:
    """The paths, each after those of its condition.

    Raises:
        graphlib.CycleError: Conditions wait for one another.
    """
    waiting = {path: [p for p in dim.when if p in space] for path, dim in space.items()}
    return list(TopologicalSorter(waiting).static_order())


def is_active(dimension: Dimension, values: Mapping[str, Any]) -> bool:
    """Whether the condition of a dimension is met."""
    return all(path in values and values[path] in wanted for path, wanted in dimension.when.items())


def assignments(space: Space, vary: Collection[str]) -> Iterator[dict[str, Any]]:
    """Complete assignments of values; inactive settings are absent.

    Args:
        space: Space without cycles.
        vary: Settings whose extremes are combined; the others keep one value.
    """
    combinations: list[dict[str, Any]] = [{}]
    for path in parents_first(space):
        dimension = space[path]
        options = dimension.extremes if path in vary else dimension.extremes[:1]
        combinations = [
            {**values, **extra}
            for values in combinations
            for extra in ([{path: v} for v in options] if is_active(dimension, values) else [{}])
        ]
    yield from combinations


def size(space: Space, points: int) -> int:
    """Number of combinations of a grid.

    Args:
        space: Space without cycles.
        points: Number of values of a continuous range.
    """
    decisive = {path for dim in space.values() for path in dim.when}
    combinations: list[tuple[dict[str, Any], int]] = [({}, 1)]
    for path in parents_first(space):
        dimension = space[path]
        values = dimension.points(points)
        if path not in decisive:
            combinations = [
                (v, n * len(values) if is_active(dimension, v) else n) for v, n in combinations
            ]
            continue
        combinations = [
            (extended, n)
            for v, n in combinations
            for extended in ([{**v, path: x} for x in values] if is_active(dimension, v) else [v])
        ]
    return sum(n for _, n in combinations)


def combination_count(space: Space) -> int | None:
    """Number of combinations; None for a space with a continuous range."""
    if any(dimension.finite is None for dimension in space.values()):
        return None
    return size(space, 1)


def is_combination(space: Space, values: Mapping[str, Any]) -> bool:
    """Whether values are one of the combinations of a finite space."""
    return all(value in (space[path].finite or ()) for path, value in values.items())
