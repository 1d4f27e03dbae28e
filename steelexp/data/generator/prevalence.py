"""Classes of a synthetic strip, and number and area of their components, after Severstal.

The statistics are of the 12,568 training strips of
https://www.kaggle.com/c/severstal-steel-defect-detection/data
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from steelexp.data.generator.noise import HEIGHT, WIDTH

CLASS_STRIPS = np.array([897, 247, 5150, 801])
PAIR_STRIPS: dict[tuple[int, ...], int] = {
    (0, 1): 37,
    (0, 2): 93,
    (1, 2): 16,
    (1, 3): 1,
    (2, 3): 284,
}
DEFECT_STRIPS = 6666
"""Number of strips with a class, with a pair of classes, and with any defect."""

_NORMAL = (-2.5, -1.645, -0.674, 0.0, 0.674, 1.645, 2.5)
"""Quantiles 0.6, 5, 25, 50, 75, 95 and 99.4 % of the standard normal."""


@dataclass(frozen=True)
class ClassExtent:
    """Area and number of components of a class, over the strips with the class.

    Attributes:
        area: Labelled share of the strip in percent, at the quantiles of `_NORMAL`.
        count: Number of components, at the same quantiles.
        correlation: Rank correlation of area and count.
    """

    area: tuple[float, ...]
    count: tuple[int, ...]
    correlation: float


CLASS_EXTENTS = (
    ClassExtent((0.09, 0.20, 0.43, 0.81, 1.41, 2.81, 4.37), (1, 1, 1, 2, 5, 10, 14), 0.68),
    ClassExtent((0.12, 0.24, 0.48, 0.72, 1.06, 1.74, 2.84), (1, 1, 1, 1, 2, 2, 3), 0.34),
    ClassExtent((0.14, 0.45, 1.23, 2.92, 7.09, 22.95, 53.75), (1, 1, 1, 2, 4, 7, 11), 0.39),
    ClassExtent((0.47, 1.25, 3.20, 6.19, 11.04, 24.06, 32.63), (1, 1, 1, 2, 3, 6, 9), 0.32),
)
"""By class number from 0."""


def choose_classes(
    seed: int,
    strip: int,
    *,
    rarity: float,
    defect_share: float,
    classes_per_strip: int | None = None,
) -> tuple[int, ...]:
    """Choose the classes of a strip.

    Strips follow a Kronecker sequence, frac(offset + strip * golden ratio), instead of independent
    random numbers. Every range of strips therefore has nearly the promised class frequencies.

    Args:
        seed: Seed of the data set.
        strip: Number of the strip.
        rarity: Exponent of Severstal's class frequencies, 0 to 1.
        defect_share: Share of the strips with a defect.
        classes_per_strip: Number of classes of such a strip; None for Severstal's mixture.

    Returns:
        Class numbers from 0; none for a clean strip.
    """
    offset = np.random.default_rng(seed).random()
    position = (offset + strip * (5**0.5 - 1) / 2) % 1
    for classes, share in combination_shares(rarity, classes_per_strip).items():
        position -= share * defect_share
        if position < 0:
            return classes
    return ()


def combination_shares(
    rarity: float, classes_per_strip: int | None = None
) -> dict[tuple[int, ...], float]:
    """Share of each combination of classes among the strips with a defect.

    In Severstal's mixture, pairs of classes are as frequent as Severstal's, and strips of one class
    complete the frequency of each class. With a fixed number of classes per strip, the frequency of
    a combination is proportional to the product of its classes' frequencies.

    Args:
        rarity: Exponent of Severstal's class frequencies, 0 to 1.
        classes_per_strip: Number of classes per strip; None for Severstal's mixture.

    Returns:
        Share by class numbers from 0; the shares sum to 1.
    """
    if classes_per_strip is not None:
        frequency = {
            classes: float(np.prod(CLASS_STRIPS[list(classes)] ** rarity))
            for classes in combinations(range(len(CLASS_STRIPS)), classes_per_strip)
        }
        total = sum(frequency.values())
        return {classes: value / total for classes, value in frequency.items()}
    shares = {classes: count / DEFECT_STRIPS for classes, count in PAIR_STRIPS.items()}
    weights = CLASS_STRIPS**rarity
    remaining = weights / weights.sum() * (1 + sum(shares.values()))
    for pair, share in shares.items():
        remaining[list(pair)] -= share
    shares |= {(c,): float(share) for c, share in enumerate(remaining)}
    return shares


def sample_component_areas(
    rng: np.random.Generator, class_number: int, max_area: float
) -> npt.NDArray[np.float64]:
    """Sample number and areas of the components of a class on a strip.

    Area and count are two correlated normal variables, mapped to Severstal's quantiles.

    Args:
        rng: Random generator.
        class_number: Class number from 0.
        max_area: Largest total area in pixels.

    Returns:
        [components] labelled pixels of each component.
    """
    extent = CLASS_EXTENTS[class_number]
    first, second = rng.standard_normal(2)
    correlated = extent.correlation * first + np.sqrt(1 - extent.correlation**2) * second
    percent = np.exp(np.interp(first, _NORMAL, np.log(extent.area)))
    count = round(float(np.interp(correlated, _NORMAL, extent.count)))
    area = min(float(percent) / 100 * HEIGHT * WIDTH, max_area)
    return area * rng.dirichlet(np.full(count, 4.0))
