"""Samplers: how often each tile is used in an epoch, against class imbalance.

A sampler is a function that returns the probability of each tile. An epoch draws its tiles by these
probabilities, with replacement. A sampler may return None instead: every tile is then used exactly
once. The sampler's argument is a function that counts labelled pixels. Counting reads every mask,
and not every sampler needs the counts.

A tile holds a class if at least `min_pixels` of its pixels have the label of the class. A tile that
holds no class is clean. N is the number of tiles, C the number of classes.
"""

from collections.abc import Callable
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field, PositiveInt

from steelexp.data.dataset import DataError

PixelCounts = npt.NDArray[np.int64]
"""Labelled pixels of each tile and class, [N, C]."""

Probabilities = npt.NDArray[np.float64]
Sampler = Callable[[Callable[[], PixelCounts]], Probabilities | None]
"""Function count_pixels -> [N] probabilities of the tiles, or None for every tile once."""

ZeroToOne = Annotated[float, Field(ge=0, le=1)]


def uniform(count_pixels: Callable[[], PixelCounts]) -> Probabilities | None:
    """Every tile once an epoch, in random order.

    Args:
        count_pixels: Function that returns the labelled pixels of each tile, [N, C].

    Returns:
        None: no tile is drawn twice.
    """
    return None


def defect_tiles(
    count_pixels: Callable[[], PixelCounts], *, min_pixels: PositiveInt = 1
) -> Probabilities:
    """Only tiles with a defect, all with the same probability.

    Args:
        count_pixels: Function that returns the labelled pixels of each tile, [N, C].
        min_pixels: Minimum number of labelled pixels with which a tile holds a class.

    Returns:
        [N] probabilities.

    Raises:
        DataError: No tile holds a defect.
    """
    defect = _check_defects(count_pixels() >= min_pixels, "defect_tiles").any(axis=1)  # [N]
    return np.asarray(defect / defect.sum())


def foreground(
    count_pixels: Callable[[], PixelCounts], *, share: ZeroToOne = 0.5, min_pixels: PositiveInt = 1
) -> Probabilities:
    """Oversampling of tiles with a defect to a fixed share of the draws.

    Each of the K classes that occur has share / K of the draws, divided equally among the tiles
    that hold it. A tile of two classes has both parts. Clean tiles divide 1 - share equally. If all
    tiles are clean, `share` is 0. If none is clean, it is 1.

    Args:
        count_pixels: Function that returns the labelled pixels of each tile, [N, C].
        share: Share of the draws that are tiles with a defect.
        min_pixels: Minimum number of labelled pixels with which a tile holds a class.

    Returns:
        [N] probabilities.
    """
    has_class = count_pixels() >= min_pixels  # [N, C]
    clean = ~has_class.any(axis=1)
    if clean.all():
        share = 0.0
    elif not clean.any():
        share = 1.0
    classes = has_class.any(axis=0).sum()
    shares = np.append(np.full(has_class.shape[1], share / max(classes, 1)), 1 - share)  # [C + 1]
    return _spread_shares(np.column_stack([has_class, clean]), shares)


def class_balanced(
    count_pixels: Callable[[], PixelCounts], *, clean: bool = True, min_pixels: PositiveInt = 1
) -> Probabilities:
    """Class-balanced sampling: every class has the same share of the draws.

    Each of the K classes that occur has 1 / K of the draws, divided equally among the tiles that
    hold it. A tile of two classes has both parts. With `clean`, clean tiles count as one more
    class, and the result is that of `power` with exponent 1.

    Args:
        count_pixels: Function that returns the labelled pixels of each tile, [N, C].
        clean: Whether clean tiles are drawn, as one more class.
        min_pixels: Minimum number of labelled pixels with which a tile holds a class.

    Returns:
        [N] probabilities.

    Raises:
        DataError: `clean` is false and no tile holds a defect.

    Source: class-balanced sampling in Kang et al., ICLR 2020, section 3,
        https://arxiv.org/abs/1910.09217.
    """
    if clean:
        return power(count_pixels, exponent=1.0, min_pixels=min_pixels)
    has_class = _check_defects(count_pixels() >= min_pixels, "class_balanced without clean tiles")
    return _spread_shares(has_class, has_class.any(axis=0) / has_class.any(axis=0).sum())


def power(
    count_pixels: Callable[[], PixelCounts],
    *,
    exponent: ZeroToOne = 0.5,
    min_pixels: PositiveInt = 1,
) -> Probabilities:
    """Oversampling of rare classes, between their natural and equal frequencies.

    n_c is the number of tiles that hold class c; clean tiles are one more class. The share of
    class c in the draws is s_c = n_c^(1 - exponent) / sum_k n_k^(1 - exponent), divided equally
    among its tiles. A tile has the sum of s_c / n_c over its classes.

    Exponent 0 keeps the natural frequencies, except that a tile of two classes counts twice. 0.5 is
    square-root sampling. 1 is class-balanced sampling, as in `class_balanced`.

    Args:
        count_pixels: Function that returns the labelled pixels of each tile, [N, C].
        exponent: Exponent of the inverse class frequency, from 0 (natural) to 1 (equal).
        min_pixels: Minimum number of labelled pixels with which a tile holds a class.

    Returns:
        [N] probabilities.

    Source: Kang et al., ICLR 2020, equation 1 with q = 1 - exponent,
        https://arxiv.org/abs/1910.09217; square root: Mahajan et al., ECCV 2018,
        https://arxiv.org/abs/1805.00932.
    """
    has_class = count_pixels() >= min_pixels  # [N, C]
    has_class = np.column_stack([has_class, ~has_class.any(axis=1)])  # [N, C + 1]
    tiles = has_class.sum(axis=0)  # [C + 1]
    powers = np.where(tiles > 0, np.maximum(tiles, 1) ** (1.0 - exponent), 0.0)
    return _spread_shares(has_class, powers / powers.sum())


def repeat_factor(
    count_pixels: Callable[[], PixelCounts],
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
        threshold: Share of the tiles below which a class is oversampled. 0.001 in LVIS, which has
            over a thousand classes; no class of Severstal is as rare.
        cap: Largest repeat factor; LVIS has no cap.
        min_pixels: Minimum number of labelled pixels with which a tile holds a class.

    Returns:
        [N] probabilities.

    Source: Gupta et al., "LVIS", CVPR 2019, appendix B.2, https://arxiv.org/abs/1908.03195.
    """
    has_class = count_pixels() >= min_pixels  # [N, C]
    frequencies = np.maximum(has_class.sum(axis=0), 1) / len(has_class)
    factors = np.clip(np.sqrt(threshold / frequencies), 1.0, cap)  # [C]
    repeats = np.where(has_class, factors, 1.0).max(axis=1)  # [N]
    return np.asarray(repeats / repeats.sum())


SAMPLERS: dict[str, Callable[..., Probabilities | None]] = {
    "uniform": uniform,
    "defect_tiles": defect_tiles,
    "foreground": foreground,
    "class_balanced": class_balanced,
    "power": power,
    "repeat_factor": repeat_factor,
}


def _check_defects(has_class: npt.NDArray[np.bool_], sampler: str) -> npt.NDArray[np.bool_]:
    """Return [N, C], whether a tile holds a class, unless all tiles are clean."""
    if not has_class.any():
        raise DataError(
            f"sampling: {sampler} draws only tiles with a defect, and none of the {len(has_class)} "
            "tiles has one; take sampling.kind=uniform, lower sampling.min_pixels, or train on "
            "images with defects"
        )
    return has_class


def _spread_shares(
    has_class: npt.NDArray[np.bool_], shares: npt.NDArray[np.float64]
) -> Probabilities:
    """Spread the share of each class evenly over its tiles: [N, C], [C] -> [N]."""
    per_tile = shares / np.maximum(has_class.sum(axis=0), 1)
    return np.asarray((has_class * per_tile).sum(axis=1))
