"""Whether a spec fits its data set, where only both together can tell."""

import math
from collections.abc import Sequence

import numpy as np

from steelexp.data.dataset import DataError, Dataset
from steelexp.data.phases import Phase
from steelexp.data.splits.split import Split
from steelexp.spec import ExperimentSpec
from steelexp.unlabelled import Unlabelled


def check_positive_weights(spec: ExperimentSpec, dataset: Dataset) -> None:
    """Check that each loss has one positive weight, or one for each class."""
    allowed = {1, len(dataset.classes)}
    for section in ("loss", "loss_warm_up"):
        count = len(getattr(spec, section).settings.get("positive_weights", (1.0,)))
        if count not in allowed:
            raise DataError(
                f"{section}.positive_weights: {count} weights for {max(allowed)} classes; give one "
                "for each class, or one for all"
            )


def check_donors(spec: ExperimentSpec, dataset: Dataset, split: Split) -> None:
    """Check that the pasted classes occur in the training images."""
    pasted = spec.augment.model_dump().get("copy_paste", {}).get("classes") or ()
    pixels = dataset.pixels[split.train].sum(axis=0).tolist()
    absent = [
        c for c, count in zip(dataset.classes, pixels, strict=True) if c in pasted and not count
    ]
    if absent:
        raise DataError(
            f"augment.copy_paste.classes: no training image holds {', '.join(absent)}; leave it "
            "out, or take more images or another split"
        )


def check_unlabelled(unlabelled: Unlabelled, phases: Sequence[Phase]) -> None:
    """Check that tiles of images without labels share batches with those of labelled ones."""
    if unlabelled.dataset is None:
        return
    for phase in phases:
        if phase.tile_count < 2:
            raise DataError("data.unlabelled: an epoch has one tile, and takes two at least")
        for height, width in np.unique(unlabelled.dataset.sizes, axis=0).tolist():
            size = phase.tiling(height, width, np.random.default_rng(0)).size
            if size != phase.tile_size:
                raise DataError(
                    f"data.unlabelled: an image of {height} x {width} gives a tile of {size[0]} x "
                    f"{size[1]}, and the labelled images give {phase.tile_size[0]} x "
                    f"{phase.tile_size[1]}; take tiling.kind=random_crops or cover with a fixed "
                    "size"
                )


def check_head(spec: ExperimentSpec, phases: Sequence[Phase]) -> None:
    """Check that a tile can hold as many pixels of a class as the head asks for."""
    pixels = spec.head.settings.get("min_pixels", 0)
    smallest = min(math.prod(phase.tile_size) for phase in phases)
    if pixels > smallest:
        raise DataError(
            f"head.min_pixels: {pixels}: a training tile has {smallest} pixels, so no tile would "
            "hold a class; give fewer"
        )


def check_defects(dataset: Dataset, split: Split) -> None:
    """Check that an image of each evaluated part holds a defect."""
    for part, rows in (("val", split.val), ("test", split.test)):
        if len(rows) and not dataset.pixels[rows].any():
            raise DataError(
                f"split: none of the {len(rows)} {part} images holds a defect, so nothing can be "
                "evaluated; take more images or another split.seed"
            )
