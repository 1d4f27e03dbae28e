"""The images that a run has not seen: neither trained on them nor on a near-duplicate."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.data.splits.split import Rows, Split
from steelexp.errors import UserError
from steelexp.plan import Plan


class Unseen(NamedTuple):
    """The images of each run that it has not seen; S images, R runs.

    Attributes:
        by: [R, S] whether the run has not seen the image.
        in_test: [R, S] whether it also lies in the test part of the run, which picked nothing.
    """

    by: npt.NDArray[np.bool_]
    in_test: npt.NDArray[np.bool_]

    def batches(self) -> Iterator[tuple[list[int], Rows]]:
        """The runs that have not seen an image, and all images of which these are the runs."""
        columns, which = np.unique(self.by, axis=1, return_inverse=True)
        for number in range(columns.shape[1]):
            runs = np.flatnonzero(columns[:, number]).tolist()
            if runs:
                yield runs, np.flatnonzero(which.ravel() == number)


def unseen_images(plans: Sequence[Plan]) -> Unseen:
    """The images that each run has not seen.

    Raises:
        UserError: The runs have other data or classes than the first one, or all have seen all.
    """
    check_same_data(plans)
    groups = plans[0].groups
    by = np.stack([unseen_rows(plan.split, groups, _seen_rows(plan)) for plan in plans])
    if not by.any():
        names = ", ".join(str(plan.folder.path) for plan in plans)
        raise UserError(
            f"{names}: trained on every image, or on a near-duplicate of it, so none can be "
            "audited; take runs with a val part, such as all folds of split.kind=kfold"
        )
    in_test = np.zeros_like(by)
    for number, plan in enumerate(plans):
        in_test[number, plan.split.test] = True
    return Unseen(by, in_test & by)


def unseen_rows(split: Split, groups: Rows, seen: Rows) -> npt.NDArray[np.bool_]:
    """Whether a run has not seen each image, [S].

    An image counts only in the validation or test part of the run: what else its weights have seen
    is compared with these parts alone.

    Args:
        split: Split of the run.
        groups: [S] group of near-duplicates of each image.
        seen: Images that the weights had seen before the run began.
    """
    evaluated = np.zeros(len(groups), bool)
    evaluated[np.concatenate([split.val, split.test])] = True
    return evaluated & ~np.isin(groups, groups[np.concatenate([split.train, seen])])


def _seen_rows(plan: Plan) -> Rows:
    """The images that trained the weights that a run starts with."""
    hashes = enumerate(plan.dataset.image_hashes)
    return np.array([row for row, each in hashes if plan.seen.get(each) == "train"], np.int64)


def check_same_data(plans: Sequence[Plan]) -> None:
    """Check that all runs have the images, labels and classes of the first one.

    Raises:
        UserError: One has others.
    """
    first = plans[0]
    for plan in plans[1:]:
        if plan.dataset.classes != first.dataset.classes:
            own = ", ".join(plan.dataset.classes)
            raise UserError(
                f"{plan.folder.path}: its classes are {own}, and those of {first.folder.path} are "
                f"{', '.join(first.dataset.classes)}; audit them apart"
            )
        if plan.dataset.manifest != first.dataset.manifest:
            raise UserError(
                f"{plan.folder.path}: its images or labels are not those of {first.folder.path}; "
                "audit them apart"
            )
