"""Which strips train and which judge."""

from collections.abc import Callable
from typing import Annotated, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from steelexp.data.strips import DataError

Rows = npt.NDArray[np.int64]
Share = Annotated[float, Field(gt=0, lt=1)]


class Fold(NamedTuple):
    """Strip numbers, ascending, disjoint.

    Attributes:
        train: what the weights learn from.
        validation: what picks the epoch, and is reported.
    """

    train: Rows
    validation: Rows


def random(strips: int, *, validation: Share = 0.15, seed: int = 42) -> Fold:
    """The published protocol: each image falls into one part by a seeded draw.

    Images from one roll fall on both sides, so its scores are higher than on unseen rolls:
    on Severstal a random split reads about 0.95 where the leaderboard reads 0.91.

    Args:
        strips: how many there are.
        validation: share that judges; at least one strip on each side.
        seed: seed of the draw.

    Raises:
        DataError: fewer than two strips.
    """
    if strips < 2:
        raise DataError(f"split.kind: random needs at least 2 strips, the data set has {strips}")
    order = np.random.default_rng(seed).permutation(strips)
    judged = min(max(round(strips * validation), 1), strips - 1)
    return Fold(train=np.sort(order[judged:]), validation=np.sort(order[:judged]))


def same(strips: int) -> Fold:
    """Every strip trains and judges: shows that a model can learn, and nothing else.

    Args:
        strips: how many there are.
    """
    return Fold(train=np.arange(strips), validation=np.arange(strips))


SPLITS: dict[str, Callable[..., Fold]] = {"random": random, "same": same}
