"""Which tiles an epoch shows, and how often.

A sampler turns the labelled pixels of every tile into draw probabilities, or into none at all,
which shows every tile once. It is given a function that counts the pixels, because counting reads
every mask and not every sampler asks.
"""

from collections.abc import Callable
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

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


def foreground(count: Callable[[], Pixels], *, share: Share = 0.5) -> Probabilities | None:
    """A fixed share of the draws goes to tiles with a defect, the classes among them in turn.

    A tile of class c is drawn with probability share / (classes * tiles of c), added up over the
    classes it holds; a tile without a defect with (1 - share) / clean tiles. Where there are only
    tiles of one sort, they get everything.

    Args:
        count: gives the labelled pixels of each tile, [N, C].
        share: of the draws that show a defect.

    Returns:
        [N] probabilities.
    """
    holds = count() > 0
    tiles = holds.sum(axis=0)  # [C]
    by_class = (holds / np.maximum(tiles, 1)).sum(axis=1)
    clean = ~holds.any(axis=1)
    if clean.all() or not clean.any():
        share = float(not clean.any())
    defects = share * by_class / max(by_class.sum(), 1e-12)
    return np.asarray(defects + (1 - share) * clean / max(clean.sum(), 1))


SAMPLERS: dict[str, Callable[..., Probabilities | None]] = {
    "uniform": uniform,
    "foreground": foreground,
}
