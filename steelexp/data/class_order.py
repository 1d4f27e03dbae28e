"""The classes of one data set in the names and the order of another."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace

import numpy as np

from steelexp.data.dataset import Bits, DataError, Dataset, digest


def match_classes(dataset: Dataset, classes: Sequence[str], renamed: Mapping[str, str]) -> Dataset:
    """A data set with its classes renamed and in another order.

    Args:
        dataset: Data set, not decoded.
        classes: [C] class names in the order wanted.
        renamed: Class of the data set -> its new name, where the names differ.

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
    if sorted(names) != sorted(classes):
        raise DataError(
            f"the classes of the data are {', '.join(names)}, those of the run "
            f"{', '.join(classes)}; both need the same names: name the values of masks with "
            "--classes, or rename with --rename THEIRS=OURS,..."
        )
    if tuple(names) == dataset.classes == tuple(classes):
        return dataset
    sources = [names.index(name) for name in classes]  # bit of each class in the masks read
    values = {field.name: getattr(dataset, field.name) for field in fields(Dataset)}
    return replace(
        Dataset(**values),
        classes=tuple(classes),
        pixels=dataset.pixels[:, sources],
        read_mask=lambda row: _reorder_bits(dataset.mask(row), sources),
        manifest=digest([dataset.manifest, *classes, *sources]),
    )


def _reorder_bits(bits: Bits, sources: Sequence[int]) -> Bits:
    """Move bit sources[c] to bit c; bits above the classes' stay."""
    above = bits >> len(sources) << len(sources)
    moved = np.zeros_like(bits)
    for c, source in enumerate(sources):
        moved |= (bits >> source & 1) << c
    return np.asarray(above | moved, bits.dtype)
