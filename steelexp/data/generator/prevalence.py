"""Which classes a drawn strip shows, in how many components and how large: Severstal's statistics.

Counted over the 12,568 training strips of
https://www.kaggle.com/c/severstal-steel-defect-detection/data
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from steelexp.data.generator.steel import HEIGHT, WIDTH

CLASS_STRIPS = np.array([897, 247, 5150, 801])
PAIR_STRIPS: dict[tuple[int, ...], int] = {
    (0, 1): 37,
    (0, 2): 93,
    (1, 2): 16,
    (1, 3): 1,
    (2, 3): 284,
}
DEFECT_STRIPS = 6666
"""Dataset with a class, with a pair of classes, and with any defect."""

_NORMAL = (-2.5, -1.645, -0.674, 0.0, 0.674, 1.645, 2.5)
"""Where a normal variable has the quantiles 0.6, 5, 25, 50, 75, 95 and 99.4 %."""


@dataclass(frozen=True)
class Extent:
    """How much of a class there is in the strips that show it.

    Attributes:
        area: labelled share of the strip in percent, at the quantiles of `_NORMAL`.
        count: components, at the same quantiles.
        correlation: of area and count, by rank.
    """

    area: tuple[float, ...]
    count: tuple[int, ...]
    correlation: float


EXTENTS = (
    Extent((0.09, 0.20, 0.43, 0.81, 1.41, 2.81, 4.37), (1, 1, 1, 2, 5, 10, 14), 0.68),
    Extent((0.12, 0.24, 0.48, 0.72, 1.06, 1.74, 2.84), (1, 1, 1, 1, 2, 2, 3), 0.34),
    Extent((0.14, 0.45, 1.23, 2.92, 7.09, 22.95, 53.75), (1, 1, 1, 2, 4, 7, 11), 0.39),
    Extent((0.47, 1.25, 3.20, 6.19, 11.04, 24.06, 32.63), (1, 1, 1, 2, 3, 6, 9), 0.32),
)
"""By class number from 0."""


def classes_of(
    seed: int,
    strip: int,
    *,
    rarity: float,
    defect_share: float,
    classes_per_strip: int | None = None,
) -> tuple[int, ...]:
    """Which classes a strip shows.

    Dataset take turns along a Kronecker sequence, frac(offset + strip * golden ratio), instead of
    being drawn independently: any run of strips then holds every class about as often as promised.

    Args:
        seed: seed of the data set.
        strip: number of the strip.
        rarity: a class's frequency is proportional to Severstal's to this power, 0 to 1.
        defect_share: share of the strips that have a defect.
        classes_per_strip: of those strips; None: Severstal's mixture, mostly one.

    Returns:
        Class numbers from 0, none for a clean strip.
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

    Pairs stay as frequent as Severstal's. Dataset of one class make up for what the pairs leave of
    each class's frequency. With a number of classes per strip, a combination of so many is as
    frequent as the product of its classes' frequencies.

    Args:
        rarity: a class's frequency is proportional to Severstal's to this power, 0 to 1.
        classes_per_strip: None: Severstal's mixture.

    Returns:
        Class numbers from 0 -> share; the shares sum to 1.
    """
    if classes_per_strip is not None:
        chances = {
            classes: float(np.prod(CLASS_STRIPS[list(classes)] ** rarity))
            for classes in combinations(range(len(CLASS_STRIPS)), classes_per_strip)
        }
        return {classes: chance / sum(chances.values()) for classes, chance in chances.items()}
    shares = {classes: count / DEFECT_STRIPS for classes, count in PAIR_STRIPS.items()}
    weights = CLASS_STRIPS**rarity
    wanted = weights / weights.sum() * (1 + sum(shares.values()))
    for pair, share in shares.items():
        wanted[list(pair)] -= share
    shares |= {(c,): float(share) for c, share in enumerate(wanted)}
    return shares


def component_areas(
    rng: np.random.Generator, class_number: int, room: float
) -> npt.NDArray[np.float64]:
    """Draw how many components of a class a strip has and how large they are.

    Area and count are two correlated normals seen through Severstal's quantiles.

    Args:
        rng: the source of the draw.
        class_number: from 0.
        room: most pixels there is space for.

    Returns:
        Labelled pixels of each component, [components].
    """
    extent = EXTENTS[class_number]
    first, second = rng.standard_normal(2)
    linked = extent.correlation * first + np.sqrt(1 - extent.correlation**2) * second
    percent = np.exp(np.interp(first, _NORMAL, np.log(extent.area)))
    count = round(float(np.interp(linked, _NORMAL, extent.count)))
    area = min(float(percent) / 100 * HEIGHT * WIDTH, room)
    return area * rng.dirichlet(np.full(count, 4.0))
