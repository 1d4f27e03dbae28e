"""Runs that were counted in another way than they are read: along the rows, or from 0."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.uint8]

STRIPES = 3.0
"""Border of a mask, in that of its runs along the rows, above which it is striped.

benchmarks/doctor_runs.py: of 1,630 published masks of Severstal none reaches it as it is, and all
do with their runs counted along the rows.
"""

LEAST_PIXELS = 50
"""Pixels of a mask below which its border tells nothing."""

CROSSING_SHARE = 0.7
LEAST_CROSSINGS = 5
LEAST_MASKS = 2
"""Runs are counted from 0 if at least 5 areas in 2 masks, and over 0.7 of all that hold a column's
last pixel alone, go on in the next column.

benchmarks/doctor_runs.py: with runs moved by one, all of 200 parts of 20 published masks.
"""


class Crossings(NamedTuple):
    """Areas at the end of a column.

    Attributes:
        lonely: Number of columns whose last pixel is labelled and the one above it is not.
        crossing: Number of those whose area goes on at the top of the next column.
    """

    lonely: int
    crossing: int


def striped_by(mask: Mask) -> float:
    """How much shorter a mask's border is with its pixels in the other order; 0 if it is not.

    A mask whose runs were counted along the rows falls apart where they are read down the columns:
    each run becomes a stripe of one pixel. A mask of as many rows as columns is only transposed,
    which leaves its border as long as it was.

    Args:
        mask: [H, W] of 0 and 1, from runs down the columns.
    """
    if np.count_nonzero(mask) < LEAST_PIXELS:
        return 0.0
    # Pixels as they follow down the columns, laid along the rows.
    other = mask.ravel("F").reshape(mask.shape)
    ratio = _border(mask) / max(_border(other), 1)
    return ratio if ratio > STRIPES else 0.0


def find_crossings(mask: Mask) -> Crossings:
    """Count areas that begin with the last pixel of a column and go on in the next column.

    Runs that are counted from 0 and read as from 1 move by one pixel: the top pixel of each column
    becomes the last pixel of the column before.

    Args:
        mask: [H, W] of 0 and 1.
    """
    if len(mask) < 2:
        return Crossings(0, 0)
    lonely = (mask[-1, :-1] == 1) & (mask[-2, :-1] == 0)
    return Crossings(int(lonely.sum()), int((lonely & (mask[0, 1:] == 1)).sum()))


def are_counted_from_zero(crossings: list[Crossings]) -> bool:
    """Whether the runs of masks look counted from 0."""
    crossing = [each.crossing for each in crossings]
    lonely = sum(each.lonely for each in crossings)
    return (
        sum(crossing) >= LEAST_CROSSINGS
        and sum(each > 0 for each in crossing) >= LEAST_MASKS
        and sum(crossing) > CROSSING_SHARE * lonely
    )


def _border(mask: Mask) -> int:
    """Number of neighbours, above and beside, of which one is labelled."""
    down = np.count_nonzero(mask[1:] != mask[:-1])
    across = np.count_nonzero(mask[:, 1:] != mask[:, :-1])
    return int(down + across)
