"""Samplers: how often each tile is used in an epoch, against class imbalance.

A sampler returns the probability of each tile, and an epoch draws its tiles with replacement. It
may return None instead: every tile is then used exactly once. Its argument is a function that
counts labelled pixels, because counting reads every mask and not every sampler needs the counts.

A tile holds a class if it has at least `min_pixels` labelled pixels of it. A tile without a class
is clean.
"""

from collections.abc import Callable
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field, PositiveInt

from steelexp.data.dataset import DataError

Pixels = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.float64]
Sampler = Callable[[Callable[[], Pixels]], Probabilities | None]
Share = Annotated[float, Field(ge=0, le=1)]


def uniform(count_pixels: Callable[[], Pixels]) -> Probabilities | None:
    """Every tile once an epoch, in random order.

    Args:
        count_pixels: Function that returns the labelled pixels of each tile, [N, C].

    Returns:
        None: no tile is drawn twice.
    """
    return None


def defect_tiles(
    count_pixels: Callable[[], Pixels], *, min_pixels: PositiveInt = 1
) -> Probabilities:
    """Only tiles with a defect, all with the same probability.

    Args:
        count_pixels: Function that returns the labelled pixels of each tile, [N, C].
        min_pixels: Minimum number of labelled pixels of a class that a tile holds.

    Returns:
        [N] probabilities.

    Raises:
        DataError: No tile holds a defect.
    """
    defect = _check_defects(count_pixels() >= min_pixels, "defect_tiles").any(axis=1)  # [N]
    return np.asarray(defect / defect.sum())


def foreground(
    count_pixels: Callable[[], Pixels], *, share: Share = 0.5, min_pixels: PositiveInt = 1
) -> Probabilities:
    """Oversampling of tiles with a defect to a fixed share of the draws, equal for all classes.

    p(tile) = sum of share / (classes * tiles of c) over the classes c of the tile. A clean tile has
    p(tile) = (1 - share) / clean tiles. If all tiles are clean, or none is, they have all draws.

    Args:
        count_pixels: Function that returns the labelled pixels of each tile, [N, C].
        share: Share of the draws that are tiles with a defect.
        min_pixels: Minimum number of labelled pixels of a class that a tile holds.

    Returns:
        [N] probabilities.
    """
    holds = count_pixels() >= min_pixels
    clean = ~holds.any(axis=1)
    if clean.all() or not clean.any():
        share = float(not clean.any())
    classes = holds.any(axis=0).sum()
    shares = np.append(np.full(holds.shape[1], share / max(classes, 1)), 1 - share)
    return _spread_shares(np.column_stack([holds, clean]), shares)


def class_balanced(
    count_pixels: Callable[[], Pixels], *, clean: bool = True, min_pixels: PositiveInt = 1
) -> Probabilities:
    """Class-balanced sampling: every class has the same share of the draws.

    p(tile) = sum of 1 / (K * tiles of c) over the classes c of the tile, with K the number of
    classes that occur. Clean tiles are one more class. With clean tiles it equals `power` with
    exponent 1.

    Args:
        count_pixels: Function that returns the labelled pixels of each tile, [N, C].
        clean: Whether clean tiles are drawn, as one more class.
        min_pixels: Minimum number of labelled pixels of a class that a tile holds.

    Returns:
        [N] probabilities.

    Raises:
        DataError: `clean` is false and no tile holds a defect.

    Source: class-balanced sampling in Kang et al., ICLR 2020, section 3,
        https://arxiv.org/abs/1910.09217.
    """
    if clean:
        return power(count_pixels, exponent=1.0, min_pixels=min_pixels)
    holds = _check_defects(count_pixels() >= min_pixels, "class_balanced without clean tiles")
    return _spread_shares(holds, holds.any(axis=0) / holds.any(axis=0).sum())


def power(
    count_pixels: Callable[[], Pixels], *, exponent: Share = 0.5, min_pixels: PositiveInt = 1
) -> Probabilities:
    """Oversampling of rare classes, between their natural and equal frequencies.

    n_c tiles hold class c; clean tiles are one more class. Class c has the share
    s_c = n_c^(1 - exponent) / sum_k n_k^(1 - exponent) of the draws. p(tile) is the sum of
    s_c / n_c over the classes of the tile, proportional to the sum of n_c^(-exponent).

    Exponent 0 keeps the natural frequencies, except that a tile of two classes counts twice. 0.5 is
    square-root sampling. 1 is class-balanced sampling, as in `class_balanced`.

    Args:
        count_pixels: Function that returns the labelled pixels of each tile, [N, C].
        exponent: Exponent of the inverse class frequency, from 0 (natural) to 1 (equal).
        min_pixels: Minimum number of labelled pixels of a class that a tile holds.

    Returns:
        [N] probabilities.

    Source: Kang et al., ICLR 2020, equation 1 with q = 1 - exponent,
        https://arxiv.org/abs/1910.09217; square root: Mahajan et al., ECCV 2018,
        https://arxiv.org/abs/1805.00932.
    """
    holds = count_pixels() >= min_pixels
    holds = np.column_stack([holds, ~holds.any(axis=1)])  # [N, C + 1]
    tiles = holds.sum(axis=0)
    shares = np.where(tiles > 0, np.maximum(tiles, 1) ** (1.0 - exponent), 0.0)
    return _spread_shares(holds, shares / shares.sum())


def repeat_factor(
    count_pixels: Callable[[], Pixels],
    *,
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.25,
    cap: Annotated[float, Field(ge=1)] = 4.0,
    min_pixels: PositiveInt = 1,
) -> Probabilities:
    """Repeat factor sampling: oversampling of tiles with rare classes, up to a cap.

    f_c is the share of the tiles that hold class c. The class has the repeat factor
    r_c = max(1, sqrt(threshold / f_c)). A tile has the largest factor of its classes, at most
    `cap`; a clean tile has 1. p(tile) is proportional to the factor. LVIS repeats each image by its
    factor instead, so that an epoch grows; here an epoch keeps its length.

    Args:
        count_pixels: Function that returns the labelled pixels of each tile, [N, C].
        threshold: Share of the tiles below which a class is oversampled. LVIS has 0.001 for over
            a thousand classes; no class of Severstal is as rare.
        cap: Largest repeat factor; LVIS has none.
        min_pixels: Minimum number of labelled pixels of a class that a tile holds.

    Returns:
        [N] probabilities.

    Source: Gupta et al., "LVIS", CVPR 2019, appendix B.2, https://arxiv.org/abs/1908.03195.
    """
    holds = count_pixels() >= min_pixels
    frequency = np.maximum(holds.sum(axis=0), 1) / len(holds)
    factors = np.clip(np.sqrt(threshold / frequency), 1.0, cap)  # [C]
    repeats = np.where(holds, factors, 1.0).max(axis=1)  # [N]
    return np.asarray(repeats / repeats.sum())


SAMPLERS: dict[str, Callable[..., Probabilities | None]] = {
    "uniform": uniform,
    "defect_tiles": defect_tiles,
    "foreground": foreground,
    "class_balanced": class_balanced,
    "power": power,
    "repeat_factor": repeat_factor,
}


def _check_defects(holds: npt.NDArray[np.bool_], sampler: str) -> npt.NDArray[np.bool_]:
    if not holds.any():
        raise DataError(
            f"sampling: {sampler} draws only tiles with a defect, and none of the {len(holds)} "
            "tiles has one; take sampling.kind=uniform, lower sampling.min_pixels, or train on "
            "images with defects"
        )
    return holds


def _spread_shares(holds: npt.NDArray[np.bool_], shares: npt.NDArray[np.float64]) -> Probabilities:
    """Spread the share of each class evenly over its tiles: [N, C], [C] -> [N]."""
    per_tile = shares / np.maximum(holds.sum(axis=0), 1)
    return np.asarray((holds * per_tile).sum(axis=1))
