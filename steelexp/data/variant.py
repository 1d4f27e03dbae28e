"""Variants of a data set: without copies, or with a longer tail in training."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from steelexp.data.dataset import Bits, DataError, Dataset, digest
from steelexp.data.split import Rows, Split


@dataclass(frozen=True)
class Selection(Dataset):
    """Some images of a data set.

    Attributes:
        source: the whole set.
        rows: [S] image numbers in it.
    """

    source: Dataset
    rows: tuple[int, ...]

    def image(self, image: int) -> npt.NDArray[np.uint8]:
        """An image's grey, [H, W] uint8."""
        return self.source.image(self.rows[image])

    def mask(self, image: int) -> Bits:
        """An image's labels, [H, W] uint8, bit c set where class c is."""
        return self.source.mask(self.rows[image])


def select(dataset: Dataset, rows: Rows) -> Dataset:
    """Some images of a data set, in the order of `rows`; the set itself where that is all."""
    if np.array_equal(rows, np.arange(len(dataset))):
        return dataset
    numbers = tuple(rows.tolist())
    names = tuple(dataset.names[row] for row in numbers)
    kept = {field.name: getattr(dataset, field.name) for field in fields(Dataset)} | {
        "names": names,
        "paths": tuple(dataset.paths[row] for row in numbers),
        "sizes": dataset.sizes[rows],
        "pixels": dataset.pixels[rows],
        "read_mask": lambda image: dataset.read_mask(numbers[image]),
        "manifest": digest([dataset.manifest, *names]),
    }
    return Selection(**kept, source=dataset, rows=numbers)


def first_of_each(groups: Rows) -> Rows:
    """Of each group of near-duplicates its first image; ascending image numbers."""
    return np.sort(np.unique(groups, return_index=True)[1])


def long_tailed(
    dataset: Dataset, groups: Rows, split: Split, keep: Mapping[str, float], *, seed: int
) -> Split:
    """The fold with rarer classes in training; what is evaluated stays as it was.

    Of a class that `keep` names, round(share * training groups that hold it) groups of
    near-duplicates are left, drawn without replacement; others are taken out whole, with whatever
    else they hold. The class with the smallest share is thinned first, so a class on the same
    images may end below its share, never above. Only training is thinned, as is usual for
    long-tailed variants (Cui et al., CVPR 2019): a rare class is then evaluated on as many images as
    before, and on the same ones whatever its share.

    Args:
        dataset: the data set.
        groups: [S] group of near-duplicates of each image.
        fold: image numbers.
        keep: class name -> share of its groups.
        seed: seed of the draw.

    Raises:
        DataError: a class is unknown, or nothing is left to train on.
    """
    unknown = [name for name in keep if name not in dataset.classes]
    if unknown:
        raise DataError(
            f"data.train_fraction: there is no class {', '.join(unknown)}; classes: "
            f"{', '.join(dataset.classes)}"
        )
    draw = np.random.default_rng(seed)
    rows = split.train
    for name in sorted(keep, key=lambda name: (keep[name], dataset.classes.index(name))):
        holds = dataset.pixels[:, dataset.classes.index(name)] > 0
        every = np.unique(groups[split.train[holds[split.train]]])
        present = np.unique(groups[rows[holds[rows]]])
        surplus = len(present) - round(keep[name] * len(every))
        if surplus > 0:
            rows = rows[~np.isin(groups[rows], draw.choice(present, surplus, replace=False))]
    if not len(rows):
        raise DataError("data.train_fraction: no image is left to train on; keep a larger share")
    return split._replace(train=rows)
