"""Near-duplicates between two data sets, such as new images and those of a finished run."""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from steelexp.data.cache_root import cache_root
from steelexp.data.dataset import Dataset
from steelexp.data.duplicates.groups import duplicate_groups

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class _Joined(Dataset):
    """The images of one data set, then those of another, for near-duplicates only."""

    first: Dataset
    second: Dataset

    def image(self, row: int) -> npt.NDArray[np.uint8]:
        """Grey values of an image, [H, W] uint8."""
        first = len(self.first)
        return self.first.image(row) if row < first else self.second.image(row - first)


def joint_groups(first: Dataset, second: Dataset) -> tuple[Rows, Rows]:
    """Groups of near-duplicates of two data sets together, found once and kept in the cache.

    Args:
        first: Data set of S images.
        second: Data set of T images.

    Returns:
        [S] and [T] group of each image; near-duplicates share one, in either set.
    """
    groups = duplicate_groups(_join(first, second), cache_root())
    return groups[: len(first)], groups[len(first) :]


def _join(first: Dataset, second: Dataset) -> Dataset:
    values = {field.name: getattr(first, field.name) for field in fields(Dataset)} | {
        "names": first.names + second.names,
        "paths": first.paths + second.paths,
        "sizes": np.concatenate([first.sizes, second.sizes]),
        "pixels": np.concatenate([first.pixels, second.pixels]),
        "image_hashes": first.image_hashes + second.image_hashes,
        "label_hashes": first.label_hashes + second.label_hashes,
    }
    return _Joined(**values, first=first, second=second)
