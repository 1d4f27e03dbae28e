"""Class weights from how often classes occur among the training images.

Each is `(seen, *, settings) -> [C]`. The mean of the weights is one, so that they shift a loss
between classes and leave its size, and with it the learning rate, alone.
"""

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from steelexp.errors import UserError

Weights = npt.NDArray[np.float64]


class Occurrence(NamedTuple):
    """How often each class occurs, and how large it is where it does.

    Attributes:
        images: [C] images that hold the class, at least 1.
        share: [C] share of the pixels of these images that the class has.
    """

    images: npt.NDArray[np.int64]
    share: npt.NDArray[np.float64]


def occurrence(
    pixels: npt.NDArray[np.integer[Any]], sizes: npt.NDArray[np.integer[Any]]
) -> Occurrence:
    """Count the classes in images.

    Args:
        pixels: [S, C] labelled pixels.
        sizes: [S, 2] height and width.

    Raises:
        UserError: naming every class that occurs nowhere.
    """
    held = pixels > 0
    images = held.sum(axis=0, dtype=np.int64)
    if missing := [str(c + 1) for c in np.flatnonzero(images == 0)]:
        raise UserError(
            f"class_weights: of {pixels.shape[1]} classes, number {', '.join(missing)} is on none "
            f"of the {len(pixels)} training images, so that no weight can be given; choose a split "
            "that trains on every class, or leave the class weights away"
        )
    areas = sizes.astype(np.int64).prod(axis=1)  # [S]
    return Occurrence(images, pixels.sum(axis=0, dtype=np.int64) / (areas @ held))


def equal(seen: Occurrence) -> Weights:
    """All classes alike; any loss can be given these.

    Args:
        seen: how often classes occur.

    Returns:
        [C] ones.
    """
    return np.ones(len(seen.images))


def inverse(seen: Occurrence) -> Weights:
    """Weights in proportion to 1 / n_c, n_c the images that hold class c.

    Args:
        seen: how often each class occurs.

    Returns:
        [C], mean one.
    """
    return _mean_one(1.0 / seen.images)


def inverse_sqrt(seen: Occurrence) -> Weights:
    """Weights in proportion to 1 / sqrt(n_c), n_c the images that hold class c.

    Half way, on a scale of factors, between no weights and `inverse`.

    Args:
        seen: how often each class occurs.

    Returns:
        [C], mean one.
    """
    return _mean_one(1.0 / np.sqrt(seen.images))


def median_frequency(seen: Occurrence) -> Weights:
    """Weights in proportion to 1 / f_c, f_c the share of class c in the images that hold it.

    This balances how large classes are and not how often they occur: a class on few images that
    covers much of them has a small weight. The median in the paper's numerator falls out of the
    mean of one.

    Args:
        seen: how large each class is.

    Returns:
        [C], mean one.

    Source: Eigen and Fergus, ICCV 2015, https://arxiv.org/abs/1411.4734 (median frequency
    balancing).
    """
    return _mean_one(1.0 / seen.share)


def effective_number(
    seen: Occurrence, *, beta: Annotated[float, Field(ge=0, lt=1)] = 0.999
) -> Weights:
    """Weights in proportion to (1 - beta) / (1 - beta^n_c), n_c the images that hold class c.

    The denominator over the numerator is how many different images n_c are worth when each overlaps
    with others: n_c at first, never more than 1 / (1 - beta). beta = 0 gives ones, beta near 1
    `inverse`.

    Args:
        seen: how often each class occurs.
        beta: 1 - 1 / N, N the number of images beyond which more of a class tell nothing new.

    Returns:
        [C], mean one.

    Source: Cui et al., CVPR 2019, https://arxiv.org/abs/1901.05555, sections 3 and 4.
    """
    return _mean_one((1.0 - beta) / (1.0 - beta**seen.images))


def _mean_one(weights: npt.NDArray[np.floating[Any]]) -> Weights:
    return np.asarray(weights / weights.mean(), np.float64)


CLASS_WEIGHTS: dict[str, Callable[..., Weights]] = {
    "equal": equal,
    "inverse": inverse,
    "inverse_sqrt": inverse_sqrt,
    "median_frequency": median_frequency,
    "effective_number": effective_number,
}
