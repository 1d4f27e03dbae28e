"""The groups of near-duplicates of a data set, found once and kept in the cache.

<cache>/<key>.groups.npy  [S] group of each image
"""

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt

from steelexp.data.cache import CACHE_FIX, cache_key, one_builder
from steelexp.data.dataset import Dataset
from steelexp.errors import explain_write_errors
from steelexp.progress import say, steps
from steelexp.records.atomic import write_atomically


def duplicate_groups(dataset: Dataset, root: Path) -> npt.NDArray[np.int64]:
    """The group of near-duplicates of each image, [S].

    Args:
        dataset: Data set, decoded or not.
        root: Folder of the caches.

    Raises:
        DataError: An image cannot be read.
    """
    key = cache_key(dataset)
    file = root / f"{key}.groups.npy"
    with explain_write_errors(root, CACHE_FIX):
        if not file.is_file():
            with one_builder(root / key):
                if not file.is_file():  # another process may have written it
                    _find_groups(dataset, file)
    return np.asarray(np.load(file), np.int64)


def _find_groups(dataset: Dataset, file: Path) -> None:
    """Compute the groups and write them to the file."""
    from steelexp.data.duplicates import near_duplicates  # SciPy is slow to import

    say(f"Looking for near-duplicates among {len(dataset)} images, once; the groups go to {file}")
    with steps("comparing", len(dataset), every=10.0) as advance:
        groups = near_duplicates(
            dataset.image, len(dataset), report=lambda done, total: advance(done)
        )
    content = io.BytesIO()
    np.save(content, groups)
    write_atomically(file, content.getvalue())
