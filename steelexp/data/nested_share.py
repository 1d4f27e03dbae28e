"""Nested subsets of the training images, for learning curves over the number of images."""

import math

import numpy as np
import numpy.typing as npt

from steelexp.data.dataset import DataError, Dataset
from steelexp.data.splits.split import Rows, Split
from steelexp.data.splits.stratification import combinations, count_groups

Flags = npt.NDArray[np.bool_]


def nested_share(dataset: Dataset, groups: Rows, split: Split, share: float, *, seed: int) -> Split:
    """Keep a share of the training images, in whole groups of near-duplicates.

    The groups have one order, and a share is its beginning. So a smaller share is a subset of a
    larger one. In the order, groups of each combination of classes are spread evenly, and one group
    of each class comes first. Validation and test images stay as they are.

    Args:
        dataset: Data set.
        groups: [S] group of near-duplicates of each image.
        split: Split of the data set.
        share: Share of the training images, above 0 and at most 1.
        seed: Random seed of the order.

    Raises:
        DataError: The share has no room for an image of each class.
    """
    if share == 1:
        return split
    rows = split.train
    holds = dataset.pixels[rows] > 0  # [N, C]
    numbers = np.unique(groups[rows], return_inverse=True)[1].ravel()  # [N]
    order, first = _group_order(holds, numbers, seed)
    images = np.bincount(numbers)[order].cumsum()
    kept = int(np.abs(images - share * len(rows)).argmin()) + 1
    if kept < first:
        least = math.ceil(images[first - 1] / len(rows) * 1000) / 1000
        raise DataError(
            f"data.train_share: {share:g} of {len(rows)} training images has no room for a group "
            f"of each class; take at least {least:g}"
        )
    return split._replace(train=rows[np.isin(numbers, order[:kept])])


def _group_order(holds: Flags, numbers: Rows, seed: int) -> tuple[Rows, int]:
    """The order of the groups, and how many at its beginning hold every class.

    Args:
        holds: [N, C] whether an image holds a class.
        numbers: [N] group of each image, from 0.
        seed: Random seed.
    """
    random = np.random.default_rng(seed)
    codes = combinations(holds, 1)
    counts = count_groups(numbers, codes, int(codes.max()) + 1)  # [G, K] images
    frequency = np.where(counts > 0, counts.sum(axis=0), counts.sum() + 1)
    stratum = frequency.argmin(axis=1)  # [G], the rarest combination of the group
    place = np.empty(len(stratum))
    for code in np.unique(stratum).tolist():
        members = random.permutation(np.flatnonzero(stratum == code))
        place[members] = (np.arange(len(members)) + random.random()) / len(members)
    order = np.argsort(place, kind="stable")
    in_group = np.zeros((len(stratum), holds.shape[1]), bool)
    np.logical_or.at(in_group, numbers, holds)
    ahead = _first_of_each_class(in_group[order])
    return np.concatenate([order[ahead], np.delete(order, ahead)]), len(ahead)


def _first_of_each_class(in_group: Flags) -> list[int]:
    """Places of the first groups that hold each class, the rarest class first.

    Args:
        in_group: [G, C] whether a group holds a class, in order.
    """
    ahead: list[int] = []
    for c in np.argsort(in_group.sum(axis=0), kind="stable").tolist():
        if in_group[:, c].any() and not in_group[ahead, c].any():
            ahead.append(int(in_group[:, c].argmax()))
    return ahead
