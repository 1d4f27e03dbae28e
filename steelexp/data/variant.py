"""Variants of a data set: without near-duplicates, or with fewer training images."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from steelexp.data.dataset import Bits, DataError, Dataset
from steelexp.data.nested_share import nested_share
from steelexp.data.splits.split import Rows, Split
from steelexp.spec.schema import DataSpec


@dataclass(frozen=True, kw_only=True)
class Selection(Dataset):
    """Some images of a data set.

    Attributes:
        source: Data set that the images are taken from.
        rows: [S] row of each image in it.
    """

    source: Dataset
    rows: tuple[int, ...]

    def image(self, row: int) -> npt.NDArray[np.uint8]:
        """Grey values of an image, [H, W] uint8."""
        return self.source.image(self.rows[row])

    def mask(self, row: int) -> Bits:
        """Labels of an image, [H, W] uint8, bit c set where class c is."""
        return self.source.mask(self.rows[row])


def select(dataset: Dataset, rows: Rows) -> Dataset:
    """Select images of a data set, in the order of `rows`; all rows return the set itself."""
    if np.array_equal(rows, np.arange(len(dataset))):
        return dataset
    source_rows = tuple(rows.tolist())
    values = {field.name: getattr(dataset, field.name) for field in fields(Dataset)} | {
        "names": tuple(dataset.names[row] for row in source_rows),
        "paths": tuple(dataset.paths[row] for row in source_rows),
        "sizes": dataset.sizes[rows],
        "pixels": dataset.pixels[rows],
        "read_mask": lambda row: dataset.read_mask(source_rows[row]),
        "image_hashes": tuple(dataset.image_hashes[row] for row in source_rows),
        "label_hashes": tuple(dataset.label_hashes[row] for row in source_rows),
    }
    return Selection(**values, source=dataset, rows=source_rows)


def first_of_each_group(groups: Rows) -> Rows:
    """Row of the first image of each group of near-duplicates, ascending."""
    return np.sort(np.unique(groups, return_index=True)[1])


def thin_training(dataset: Dataset, groups: Rows, split: Split, data: DataSpec) -> Split:
    """A split with the training images that `train_fraction` and then `train_share` keep.

    Args:
        dataset: Data set.
        groups: [S] group of near-duplicates of each image.
        split: Split of the data set.
        data: Data section of the spec.

    Raises:
        DataError: A class is unknown, or too little is left to train on.
    """
    seed = data.train_fraction_seed
    tail = long_tailed(dataset, groups, split, data.train_fraction, seed=seed)
    return nested_share(dataset, groups, tail, data.train_share, seed=data.train_share_seed)


def long_tailed(
    dataset: Dataset,
    groups: Rows,
    split: Split,
    train_fraction: Mapping[str, float],
    *,
    seed: int,
) -> Split:
    """Reduce the training images of some classes, to study class imbalance.

    A class keeps round(fraction * n) of its n groups of near-duplicates in training, chosen at
    random. Other groups are removed whole, with all classes they hold. The class with the smallest
    fraction comes first, so a class on the same images may end below its fraction, never above.
    Validation and test images stay as they are, as is usual for long-tailed variants (Cui et al.,
    CVPR 2019): a rare class is evaluated on as many images as before.

    Args:
        dataset: Data set.
        groups: [S] group of near-duplicates of each image.
        split: Split of the data set.
        train_fraction: Fraction of the training groups to keep, by class name.
        seed: Random seed of the choice.

    Raises:
        DataError: A class is unknown, or nothing is left to train on.
    """
    unknown = [name for name in train_fraction if name not in dataset.classes]
    if unknown:
        raise DataError(
            f"data.train_fraction: there is no class {', '.join(unknown)}; classes: "
            f"{', '.join(dataset.classes)}"
        )
    rng = np.random.default_rng(seed)
    rows = split.train
    order = [(fraction, dataset.classes.index(name)) for name, fraction in train_fraction.items()]
    for fraction, c in sorted(order):
        holds = dataset.pixels[:, c] > 0
        total = len(np.unique(groups[split.train[holds[split.train]]]))
        present = np.unique(groups[rows[holds[rows]]])
        surplus = len(present) - round(fraction * total)
        if surplus > 0:
            rows = rows[~np.isin(groups[rows], rng.choice(present, surplus, replace=False))]
    if not len(rows):
        raise DataError("data.train_fraction: no image is left to train on; keep a larger share")
    return split._replace(train=rows)
