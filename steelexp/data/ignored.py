"""Ignored pixels: left out of loss, metrics and post-processing."""

from dataclasses import fields, replace

import numpy as np

from steelexp.data.dataset import Bits, Dataset


def counted_bits(bits: Bits, classes: int) -> Bits:
    """A mask in which ignored pixels have no bit at all.

    Args:
        bits: [H, W] mask; bit C is set where a pixel is ignored.
        classes: Number of classes C.
    """
    if int(bits.max(initial=0)) < 1 << classes:
        return bits
    return np.where(bits >> classes == 0, bits, bits.dtype.type(0))


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
