"""Which tiles an epoch shows, and how often.

A sampler turns the labelled pixels of every tile into draw probabilities, or into none at all,
which shows every tile once. It is given a function that counts the pixels, because counting reads
every mask and not every sampler asks.

A tile holds a class from `min_pixels` labelled pixels on; with 1, the default, a sliver at its edge
is enough. A tile that holds no class is clean to the sampler, slivers or not.
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


def uniform(count: Callable[[], Pixels]) -> Probabilities | None:
    """Every tile once an epoch, in a drawn order.

    Args:
        count: gives the labelled pixels of each tile, [N, C].

    Returns:
        None: nothing is drawn with replacement.
    """
    return None


def defect_tiles(count: Callable[[], Pixels], *, min_pixels: PositiveInt = 1) -> Probabilities:
    """Only tiles with a defect, each as often as the other.

    Args:
        count: gives the labelled pixels of each tile, [N, C].
        min_pixels: labelled pixels of a class from which a tile holds it.

    Returns:
        [N] probabilities.

    Raises:
        DataError: no tile holds a defect.
    """
    defect = _some(count() >= min_pixels, "defect_tiles").any(axis=1)  # [N]
    return np.asarray(defect / defect.sum())


def foreground(
    count: Callable[[], Pixels], *, share: Share = 0.5, min_pixels: PositiveInt = 1
) -> Probabilities:
    """A fixed share of the draws goes to tiles with a defect, the classes among them in turn.

    A tile of class c is drawn with probability share / (classes * tiles of c), added up over the
    classes it holds; a tile without a defect with (1 - share) / clean tiles. Where there are only
    tiles of one sort, they get everything.

    Args:
        count: gives the labelled pixels of each tile, [N, C].
        share: of the draws that show a defect.
        min_pixels: labelled pixels of a class from which a tile holds it.

    Returns:
        [N] probabilities.
    """
    holds = count() >= min_pixels
    clean = ~holds.any(axis=1)
    if clean.all() or not clean.any():
        share = float(not clean.any())
    classes = holds.any(axis=0).sum()
    shares = np.append(np.full(holds.shape[1], share / max(classes, 1)), 1 - share)
    return _spread(np.column_stack([holds, clean]), shares)


def class_balanced(
    count: Callable[[], Pixels], *, clean: bool = True, min_pixels: PositiveInt = 1
) -> Probabilities:
    """The classes that occur and the clean tiles in turn.

    p(tile) = the sum of 1 / (turns * tiles of c) over the classes c that it holds, turns being the
    number of classes that occur, and clean tiles one more. With clean tiles it is `power` with an
    exponent of 1.

    Args:
        count: gives the labelled pixels of each tile, [N, C].
        clean: clean tiles have a turn; otherwise they are never shown.
        min_pixels: labelled pixels of a class from which a tile holds it.

    Returns:
        [N] probabilities.

    Raises:
        DataError: clean tiles have no turn and no tile holds a defect.

    Source: class-balanced sampling in Kang et al., ICLR 2020, section 3,
        https://arxiv.org/abs/1910.09217.
    """
    if clean:
        return power(count, exponent=1.0, min_pixels=min_pixels)
    holds = _some(count() >= min_pixels, "class_balanced without clean tiles")
    return _spread(holds, holds.any(axis=0) / holds.any(axis=0).sum())


def power(
    count: Callable[[], Pixels], *, exponent: Share = 0.5, min_pixels: PositiveInt = 1
) -> Probabilities:
    """Between the natural and the uniform frequency of the classes.

    n_c tiles hold class c; clean tiles are a class of their own. Class c gets the share
    s_c = n_c^(1 - exponent) / sum_k n_k^(1 - exponent) of the draws, and each of its tiles
    s_c / n_c: p(tile) is proportional to the sum of n_c^(-exponent) over the classes it holds.

    Exponent 0: natural; a tile of two classes counts twice. 0.5: square-root sampling. 1: every
    class has the same share, as in `class_balanced`.

    Args:
        count: gives the labelled pixels of each tile, [N, C].
        exponent: of the inverse frequency, 0 natural to 1 uniform.
        min_pixels: labelled pixels of a class from which a tile holds it.

    Returns:
        [N] probabilities.

    Source: Kang et al., ICLR 2020, equation 1 with q = 1 - exponent,
        https://arxiv.org/abs/1910.09217; square root: Mahajan et al., ECCV 2018,
        https://arxiv.org/abs/1805.00932.
    """
    holds = count() >= min_pixels
    holds = np.column_stack([holds, ~holds.any(axis=1)])  # [N, C + 1]
    tiles = holds.sum(axis=0)
    shares = np.where(tiles > 0, np.maximum(tiles, 1) ** (1.0 - exponent), 0.0)
    return _spread(holds, shares / shares.sum())


def repeat_factor(
    count: Callable[[], Pixels],
    *,
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.25,
    cap: Annotated[float, Field(ge=1)] = 4.0,
    min_pixels: PositiveInt = 1,
) -> Probabilities:
    """Tiles of rare classes are repeated, up to a cap; every tile stays in.

    Class c, held by the share f_c of the tiles, has the repeat factor
    r_c = max(1, sqrt(threshold / f_c)). A tile has the largest factor of its classes, at most
    `cap`, and a clean tile 1; p(tile) is proportional to it. The cap bounds how much more often
    the few tiles of a rare class are seen than a clean one.

    Args:
        count: gives the labelled pixels of each tile, [N, C].
        threshold: share of the tiles below which a class is repeated. LVIS has 0.001, for over a
            thousand classes; on Severstal no class is as rare.
        cap: the largest repeat factor.
        min_pixels: labelled pixels of a class from which a tile holds it.

    Returns:
        [N] probabilities.

    Source: repeat factor sampling, Gupta et al., CVPR 2019, appendix B.2,
        https://arxiv.org/abs/1908.03195; without a cap there.
    """
    holds = count() >= min_pixels
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


def _some(holds: npt.NDArray[np.bool_], sampler: str) -> npt.NDArray[np.bool_]:
    if not holds.any():
        raise DataError(
            f"sampling: {sampler} shows only tiles with a defect, and none of the {len(holds)} "
            "tiles holds one; take sampling.kind=uniform, lower sampling.min_pixels, or train on "
            "images with defects"
        )
    return holds


def _spread(holds: npt.NDArray[np.bool_], shares: npt.NDArray[np.float64]) -> Probabilities:
    """Each class's share of the draws, spread evenly over its tiles: [N, C], [C] -> [N]."""
    each = shares / np.maximum(holds.sum(axis=0), 1)
    return np.asarray((holds * each).sum(axis=1))
