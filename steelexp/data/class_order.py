"""The classes of one data set in the names and the order of another."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace

import numpy as np

from steelexp.checksum import hash_bytes
from steelexp.data.bits import Bits, Word, word_of
from steelexp.data.dataset import DataError, Dataset


def match_classes(
    dataset: Dataset, classes: Sequence[str], renamed: Mapping[str, str], *, subset: bool = False
) -> Dataset:
    """A data set with its classes renamed and in another order.

    Args:
        dataset: Data set, not decoded.
        classes: [C] class names in the order wanted.
        renamed: Class of the data set -> its new name, where the names differ.
        subset: Whether some of the classes may be missing in the data set.

    Returns:
        The data set itself if nothing changes.

    Raises:
        DataError: The names differ from `classes`; the message shows both.
    """
    unknown = [name for name in renamed if name not in dataset.classes]
    if unknown:
        raise DataError(
            f"--rename {unknown[0]}=...: the data have no such class; theirs: "
            f"{', '.join(dataset.classes)}"
        )
    names = [renamed.get(name, name) for name in dataset.classes]
    missing = set(classes) - set(names)
    if len(set(names)) < len(names) or set(names) - set(classes) or (missing and not subset):
        needed = "only these names" if subset else "the same names"
        raise DataError(
            f"the classes of the data are {', '.join(names)}, and {needed} are needed: "
            f"{', '.join(classes)}; name the values of masks with --classes, or rename with "
            "--rename THEIRS=OURS,..."
        )
    if tuple(names) == dataset.classes == tuple(classes):
        return dataset
    # The bit of each class in the masks that are read, or None for a class that they lack.
    sources = [names.index(name) if name in names else None for name in classes]
    present = [source is not None for source in sources]
    pixels = np.zeros((len(dataset), len(classes)), np.int64)
    pixels[:, present] = dataset.pixels[:, [source for source in sources if source is not None]]
    values = {field.name: getattr(dataset, field.name) for field in fields(Dataset)}
    word = word_of(len(classes) + dataset.has_ignore)
    return replace(
        Dataset(**values),
        classes=tuple(classes),
        pixels=pixels,
        read_mask=lambda row: _reorder_bits(dataset.mask(row), sources, len(names), word),
        label_hashes=tuple(
            hash_bytes(f"{label_hash} {sources}".encode()) for label_hash in dataset.label_hashes
        ),
    )


def _reorder_bits(bits: Bits, sources: Sequence[int | None], classes: int, word: Word) -> Bits:
    """Move bit sources[c] to bit c, and the bits above the classes after the last class."""
    wide = bits.astype(np.uint64)
    moved = wide >> classes << len(sources)
    for c, source in enumerate(sources):
        if source is not None:
            moved |= (wide >> source & 1) << c
    return moved.astype(word)
