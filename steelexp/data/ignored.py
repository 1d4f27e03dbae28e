"""Ignored pixels: left out of loss, metrics and post-processing."""

from dataclasses import fields, replace

import numpy as np

from steelexp.data.dataset import Bits, Dataset


def without_ignored_labels(dataset: Dataset) -> Dataset:
    """A data set whose masks have no class at ignored pixels.

    Training and evaluation read their masks from it, so the labels at ignored pixels reach nothing.

    Args:
        dataset: Data set, not decoded.

    Returns:
        The data set itself if it has no ignored pixels.
    """
    if not dataset.has_ignore:
        return dataset
    ignored = 1 << len(dataset.classes)

    def read_mask(row: int) -> Bits:
        bits = dataset.mask(row)
        return np.where(bits < ignored, bits, bits.dtype.type(ignored))

    values = {field.name: getattr(dataset, field.name) for field in fields(Dataset)}
    return replace(Dataset(**values), read_mask=read_mask)
