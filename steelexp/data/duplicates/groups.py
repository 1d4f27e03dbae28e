"""The groups of near-duplicates of a data set, found once and kept in the cache.

<cache>/<key>.groups.npy  [S] group of each image, then a hash of key and groups

The key depends on the images alone, so a corrected label does not look for them again.
"""

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt

from steelexp.checksum import hash_bytes
from steelexp.data.cache import one_builder
from steelexp.data.cache_root import CACHE_FIX
from steelexp.data.dataset import Dataset, digest
from steelexp.errors import explain_write_errors
from steelexp.progress import say, steps
from steelexp.records.atomic import write_atomically

_VERSION = 4
"""Version of the groups, raised whenever the same images have others or the file
changes."""

_HASH_BYTES = 16


def duplicate_groups(dataset: Dataset, root: Path) -> npt.NDArray[np.int64]:
    """The group of near-duplicates of each image, [S].

    Args:
        dataset: Data set, decoded or not.
        root: Folder of the caches.

    Raises:
        DataError: An image cannot be read.
    """
    key = digest([_VERSION, dataset.image_digest])[:16]
    file = root / f"{key}.groups.npy"
    groups = _read(file, len(dataset))
    if groups is None:
        with explain_write_errors(root, CACHE_FIX), one_builder(root / key):
            groups = _read(file, len(dataset))  # another process may have written it
            if groups is None:
                groups = _find_groups(dataset, file)
    return groups


def _read(file: Path, images: int) -> npt.NDArray[np.int64] | None:
    """The groups in a file; None if it is missing or damaged, which a line says."""
    if not file.is_file():
        return None
    content = file.read_bytes()
    array = content[:-_HASH_BYTES]
    checksum = content[-_HASH_BYTES:]
    if _hash(file, array) == checksum:
        groups = np.load(io.BytesIO(array))
        if groups.shape == (images,):
            return np.asarray(groups, np.int64)
    say(f"{file}: damaged; the groups are found again")
    file.unlink(missing_ok=True)
    return None


def _find_groups(dataset: Dataset, file: Path) -> npt.NDArray[np.int64]:
    """Compute the groups and write them to the file."""
    from steelexp.data.duplicates import search  # SciPy is slow to import

    say(f"Looking for near-duplicates among {len(dataset)} images, once; the groups go to {file}")
    with steps("comparing", len(dataset), every=10.0) as advance:
        result = search.near_duplicates(
            dataset.image, len(dataset), report=lambda done, total: advance(done)
        )
    content = io.BytesIO()
    np.save(content, result.groups)
    array = content.getvalue()
    write_atomically(file, array + _hash(file, array))
    return result.groups


def _hash(file: Path, array: bytes) -> bytes:
    """Hash of the name and the groups: those of another data set may have as many images."""
    return bytes.fromhex(hash_bytes(file.name.encode() + array))
