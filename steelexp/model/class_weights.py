"""Class weights from the frequency of the classes in the training images.

Each is `(frequency, *, settings) -> [C]`. The mean of the weights is one: they shift a loss between
classes and keep its scale, so the learning rate still fits.
"""

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from steelexp.errors import UserError

Weights = npt.NDArray[np.float64]


class ClassFrequency(NamedTuple):
    """How often each class occurs, and how large it is where it does.

    Attributes:
        images: Number of images with the class, [C], at least 1.
        pixel_share: Share of the pixels of these images that belong to the class, [C].
    """

    images: npt.NDArray[np.int64]
    pixel_share: npt.NDArray[np.float64]


def count_classes(
    pixels: npt.NDArray[np.integer[Any]], sizes: npt.NDArray[np.integer[Any]]
) -> ClassFrequency:
    """Count the classes in images.

    Args:
        pixels: Labelled pixels of each image and class, [S, C].
        sizes: Height and width of each image, [S, 2].

    Raises:
        UserError: A class occurs in no image.
    """
    labelled = pixels > 0
    images = labelled.sum(axis=0, dtype=np.int64)
    if missing := [str(c + 1) for c in np.flatnonzero(images == 0)]:
        raise UserError(
            f"class_weights: of {pixels.shape[1]} classes, number {', '.join(missing)} is on none "
            f"of the {len(pixels)} training images and can have no weight; choose a split that "
            "trains on every class, or leave the class weights away"
        )
    areas = sizes.astype(np.int64).prod(axis=1)  # [S]
    return ClassFrequency(images, pixels.sum(axis=0, dtype=np.int64) / (areas @ labelled))


def equal(frequency: ClassFrequency) -> Weights:
    """Weights of one. Every loss accepts them.

    Args:
        frequency: Frequency of the classes in the training images.

    Returns:
        Ones, [C].
    """
    return np.ones(len(frequency.images))


def inverse(frequency: ClassFrequency) -> Weights:
    """Weights in proportion to 1 / n_c, where n_c is the number of images with class c.

    Args:
        frequency: Frequency of the classes in the training images.

    Returns:
        Weights with mean one, [C].
    """
    return _mean_one(1.0 / frequency.images)


def inverse_sqrt(frequency: ClassFrequency) -> Weights:
    """Weights in proportion to 1 / sqrt(n_c), where n_c is the number of images with class c.

    The ratio of two weights is the square root of that with `inverse`.

    Args:
        frequency: Frequency of the classes in the training images.

    Returns:
        Weights with mean one, [C].
    """
    return _mean_one(1.0 / np.sqrt(frequency.images))


def median_frequency(frequency: ClassFrequency) -> Weights:
    """Weights in proportion to 1 / f_c, f_c the pixel share of class c in the images that have it.

    This balances the sizes of the classes, not how often they occur: a class on few images that
    covers much of them has a small weight. The median in the paper's numerator cancels when the
    mean is set to one.

    Args:
        frequency: Frequency of the classes in the training images.

    Returns:
        Weights with mean one, [C].

    Source: Eigen and Fergus, ICCV 2015, https://arxiv.org/abs/1411.4734 (median frequency
    balancing).
    """
    return _mean_one(1.0 / frequency.pixel_share)


def effective_number(
    frequency: ClassFrequency, *, beta: Annotated[float, Field(ge=0, lt=1)] = 0.999
) -> Weights:
    """Weights in proportion to (1 - beta) / (1 - beta^n_c), n_c the number of images with class c.

    The inverse, (1 - beta^n_c) / (1 - beta), is the effective number of images: images of one class
    overlap in what they show, so it grows like n_c at first and never beyond 1 / (1 - beta).
    beta = 0 gives ones; beta near 1 gives `inverse`.

    Args:
        frequency: Frequency of the classes in the training images.
        beta: 1 - 1 / N, where N is the largest effective number of images of a class.

    Returns:
        Weights with mean one, [C].

    Source: Cui et al., CVPR 2019, https://arxiv.org/abs/1901.05555, sections 3 and 4.
    """
    return _mean_one((1.0 - beta) / (1.0 - beta**frequency.images))


def _mean_one(weights: npt.NDArray[np.floating[Any]]) -> Weights:
    return np.asarray(weights / weights.mean(), np.float64)


CLASS_WEIGHTS: dict[str, Callable[..., Weights]] = {
    "equal": equal,
    "inverse": inverse,
    "inverse_sqrt": inverse_sqrt,
    "median_frequency": median_frequency,
    "effective_number": effective_number,
}
