"""A combination of a search space that was not tried, found by a walk instead of by luck.

Draws at random miss the last combinations of a small space: of 18, a draw misses the last one 17
times in 18.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from steelexp.spec.space import Dimension, Space, is_active, parents_first

_DRAWS = 1000  # of a continuous range, within one branch of the walk

Values = Mapping[str, Any]


def untried_values(
    space: Space, tried: Callable[[Values], bool], random: np.random.Generator | None
) -> dict[str, Any] | None:
    """Values that were not tried, as they are run; None where none are left.

    The walk goes through the settings in turn, the last the fastest. It turns back only at values
    that were tried. So it takes no longer than there are trials.

    Args:
        space: Space without cycles.
        tried: Whether values were tried.
        random: Generator of the order of each setting's values; None for the order of the space,
            which must then be finite.
    """
    every = _combinations(space, parents_first(space), {}, random)
    values = next((values for values in every if not tried(values)), None)
    return None if values is None else {path: values[path] for path in space if path in values}


def _combinations(
    space: Space, paths: Sequence[str], values: dict[str, Any], random: np.random.Generator | None
) -> Iterator[dict[str, Any]]:
    """Every combination that begins with these values."""
    if not paths:
        yield values
        return
    path, *rest = paths
    if not is_active(space[path], values):
        yield from _combinations(space, rest, values, random)
        return
    for value in _values(space[path], random):
        yield from _combinations(space, rest, {**values, path: value}, random)


def _values(dimension: Dimension, random: np.random.Generator | None) -> Iterator[Any]:
    """Values of one setting, none twice; of a continuous range some."""
    finite = dimension.finite
    if random is None:
        yield from finite or ()
        return
    if finite is not None:
        yield from (finite[place] for place in random.permutation(len(finite)))
        return
    low, high = dimension.bounds
    values = set()
    for _ in range(_DRAWS):
        share = random.random()
        number = (
            low * (high / low) ** share if dimension.log_uniform else low + (high - low) * share
        )
        if (value := dimension.value(number)) not in values:
            values.add(value)
            yield value
