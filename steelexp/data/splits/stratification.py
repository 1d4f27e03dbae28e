"""Stratified assignment of groups of near-duplicates to the parts of a split."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from steelexp.data.dataset import DataError
from steelexp.data.splits.split import Rows

FEW_CLASSES = 8
"""With so many classes at most a code is the bits of its classes, otherwise its rank."""


def stratify(
    holds: npt.NDArray[np.bool_], groups: Rows, shares: Sequence[float], seed: int
) -> list[Rows]:
    """Divide whole groups into parts of the given shares, stratified by class combination.

    scikit-learn's StratifiedGroupKFold has equal folds only and takes about a hundred times as
    long (benchmarks/group_split.py).

    Args:
        holds: [S, C] whether an image holds a class.
        groups: [S] group of near-duplicates of each image.
        shares: Share of the images of each part, [P].
        seed: Random seed of the order of equal groups.

    Returns:
        Numbers of the images of each part, ascending, [P].

    Raises:
        DataError: A part is empty.
    """
    codes = combinations(holds, len(shares))
    groups = np.unique(groups, return_inverse=True)[1].ravel()
    counts = count_groups(groups, codes, int(codes.max()) + 1)  # [G, K] images
    lacking = np.outer(shares, counts.sum(axis=0))  # [P, K] images
    part = deal_groups(counts, lacking, seed)
    if len(np.unique(part)) < len(shares):
        raise DataError(
            f"split: {len(counts)} groups of near-duplicates are too few for {len(shares)} parts; "
            "take more images, larger shares or fewer folds, or split.kind=random"
        )
    return [np.flatnonzero(part[groups] == number) for number in range(len(shares))]


def count_groups(groups: Rows, codes: Rows, width: int) -> Rows:
    """[G, K] number of images of each group with each of `width` codes; both count from 0."""
    counts = np.zeros((groups.max() + 1, width), np.int64)
    np.add.at(counts, (groups, codes), 1)
    return counts


def deal_groups(counts: Rows, lacking: npt.NDArray[np.float64], seed: int) -> Rows:
    """Deal whole groups to parts that lack images, stratified by class combination.

    Groups are assigned one by one, those with the rarest combinations first. A group goes to the
    part that lacks most images of its rarest combination, and among equals to the part that lacks
    most images (Sechidis et al., ECML PKDD 2011, with groups in place of examples). Parts have
    their shares to within an image or a group.

    Args:
        counts: [G, K] number of images of each group with each combination.
        lacking: [P, K] number of images that each part lacks.
        seed: Random seed of the order of equal groups.

    Returns:
        [G] part of each group.
    """
    lacking = lacking.copy()
    frequency = np.where(counts > 0, counts.sum(axis=0), counts.sum() + 1)  # [G, K]
    rarest = frequency.argmin(axis=1)  # [G]
    part = np.empty(len(counts), np.int64)
    for group in _assignment_order(counts, frequency.min(axis=1), seed).tolist():
        needs = lacking[:, rarest[group]]
        candidates = np.flatnonzero(needs == needs.max())
        part[group] = candidates[lacking[candidates].sum(axis=1).argmax()]
        lacking[part[group]] -= counts[group]
    return part


def _assignment_order(counts: Rows, frequency: Rows, seed: int) -> Rows:
    """Groups by the frequency of their rarest combination, then the largest, then at random."""
    order = np.random.default_rng(seed).permutation(len(counts))
    return np.asarray(order[np.lexsort((-counts.sum(axis=1)[order], frequency[order]))], np.int64)


def combinations(holds: npt.NDArray[np.bool_], fewest: int) -> Rows:
    """Code of the combination of classes of each image, for stratification.

    A combination on fewer than `fewest` images counts as its rarest class alone. If that has fewer
    than `fewest` images too, it counts as "some defect".

    Args:
        holds: [S, C] whether an image holds a class.
        fewest: Minimum number of images of a code.

    Returns:
        [S] codes.
    """
    order = np.argsort(holds.sum(axis=0), kind="stable")  # the rarest class first
    codes = holds @ (1 << np.arange(holds.shape[1]))
    rarest = np.where(holds.any(axis=1), 1 << order[np.argmax(holds[:, order], axis=1)], 0)
    codes = np.where(_is_rare(codes, fewest), rarest, codes)
    some_defect = _is_rare(codes, fewest) & holds.any(axis=1)
    codes = np.where(some_defect, 1 << holds.shape[1], codes)
    if holds.shape[1] > FEW_CLASSES:  # or a table by code would not fit into memory
        codes = np.unique(codes, return_inverse=True)[1].ravel()
    return np.asarray(codes, np.int64)


def _is_rare(codes: Rows, fewest: int) -> npt.NDArray[np.bool_]:
    """Whether fewer than `fewest` images have the code of each image."""
    _, number, counts = np.unique(codes, return_inverse=True, return_counts=True)
    return np.asarray(counts[number.ravel()] < fewest)
