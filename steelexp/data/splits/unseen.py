"""The test images that none of several networks has seen."""

from collections.abc import Sequence

import numpy as np

from steelexp.data.dataset import DataError
from steelexp.data.splits.split import Rows, Split

_WAY_OUT = "give all runs one test part, for folds with split.test=0.15"


def unseen_rows(splits: Sequence[Split], groups: Rows) -> Rows:
    """Numbers of the test images of several runs on one data set, if no run has seen any of them.

    Args:
        splits: Split of each run.
        groups: [S] group of near-duplicates of each image.

    Returns:
        Numbers of the images, ascending.

    Raises:
        DataError: A run has seen a test image of another, or a near-duplicate of one, or the runs
            have other test images, or none.
    """
    rows = np.unique(np.concatenate([split.test for split in splits]))
    trained = np.isin(groups[rows], np.concatenate([groups[split.train] for split in splits]))
    picked = np.isin(groups[rows], np.concatenate([groups[split.val] for split in splits]))
    if trained.any() or picked.any():
        raise DataError(
            f"an ensemble of these {len(splits)} runs cannot be evaluated on their test images: a "
            f"member trained on {int(trained.sum())} of the {len(rows)} images or on "
            f"near-duplicates of them, and {int((picked & ~trained).sum())} more picked the epoch "
            f"of a member; {_WAY_OUT}"
        )
    if any(len(split.test) < len(rows) for split in splits):
        raise DataError(f"the runs of the ensemble have other test images; {_WAY_OUT}")
    if not len(rows):
        raise DataError(
            f"the runs of the ensemble have no test images, which alone no member has seen; "
            f"{_WAY_OUT}"
        )
    return rows
