"""Near-duplicates between two data sets, such as new images and those of a finished run."""

import numpy as np
import numpy.typing as npt

from steelexp.data.cache_root import cache_root
from steelexp.data.dataset import Dataset
from steelexp.data.duplicates.groups import duplicate_groups
from steelexp.data.joined import join

Rows = npt.NDArray[np.int64]


def joint_groups(first: Dataset, second: Dataset) -> tuple[Rows, Rows]:
    """Groups of near-duplicates of two data sets together, found once and kept in the cache.

    Args:
        first: Data set of S images.
        second: Data set of T images.

    Returns:
        [S] and [T] group of each image; near-duplicates share one, in either set.
    """
    groups = duplicate_groups(join(first, second), cache_root())
    return groups[: len(first)], groups[len(first) :]
