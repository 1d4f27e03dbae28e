"""Cross-validation: folds of whole groups of near-duplicates, and the outer test part."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, NonNegativeInt

from steelexp.data.dataset import DataError, Dataset
from steelexp.data.splits.split import Rows, Split
from steelexp.data.splits.stratification import stratify
from steelexp.limits import Seed


def kfold(
    dataset: Dataset,
    groups: Rows,
    *,
    folds: Annotated[int, Field(ge=3, le=1_000)] = 5,
    fold: NonNegativeInt = 0,
    test: Annotated[float, Field(ge=0, lt=1)] = 0.0,
    seed: Seed = 42,
) -> Split:
    """Cross-validation by groups; `run --folds` trains all folds.

    Without `test`, one fold is the test part, the next validation, and the others train. Over
    fold = 0 ... folds - 1 every image is tested once, by a network whose epoch it did not pick.

    With `test`, an outer test part is kept out of all folds and is the same in each. One fold is
    validation and the others train. Over all folds every other image validates once.

    Folds and test part are stratified like `grouped`.

    Args:
        dataset: Data set.
        groups: [S] group of near-duplicates of each image.
        folds: Number of folds.
        fold: Number of the evaluated fold, from 0.
        test: Share of the images in the outer test part; 0 for none.
        seed: Random seed of the folds.

    Raises:
        DataError: There is no such fold, or there are too few groups.
    """
    if fold >= folds:
        raise DataError(f"split.fold: {fold} of {folds} folds; they are numbered from 0")
    holds = dataset.pixels > 0
    if not test:
        parts = stratify(holds, groups, [1 / folds] * folds, seed)
        tested = parts.pop(fold)
        val = parts.pop(fold % (folds - 1))
        return Split(np.sort(np.concatenate(parts)), val, tested)
    inner, outer = stratify(holds, groups, (1 - test, test), seed)
    within = stratify(holds[inner], groups[inner], [1 / folds] * folds, seed)
    parts = [inner[rows] for rows in within]
    val = parts.pop(fold)
    return Split(np.sort(np.concatenate(parts)), val, outer)


FoldPart = Literal["val", "test"]
"""Part of a run's split that is its fold."""


def fold_part(settings: Mapping[str, Any]) -> FoldPart:
    """The part of a run's split that is its fold: validation beside an outer test part, else test.

    Args:
        settings: Settings of the split `kfold`; earlier versions had no `test`.
    """
    return "val" if settings.get("test") else "test"


def out_of_fold_rows(splits: Sequence[Split], part: FoldPart, groups: Rows) -> list[Rows]:
    """Numbers of the images of each fold; no network is evaluated on what it trained on.

    Args:
        splits: Split of the run of each fold.
        part: Part of each split that is its fold.
        groups: [S] group of near-duplicates of each image.

    Returns:
        Numbers of the images of each fold, ascending.

    Raises:
        DataError: An image is in two folds, or a near-duplicate of it trains the network that is
            evaluated on it, or a fold holds images of the outer test part.
    """
    folds: list[Rows] = [getattr(split, part) for split in splits]
    rows = np.concatenate(folds)
    if len(np.unique(rows)) < len(rows):
        raise DataError("split: an image is in two folds, so it would be counted twice")
    for number, (split, fold) in enumerate(zip(splits, folds, strict=True)):
        seen = np.isin(groups[fold], groups[split.train])
        if part == "val":
            seen |= np.isin(groups[fold], groups[split.test])
        if seen.any():
            raise DataError(
                f"split: fold {number}: {int(seen.sum())} of its {len(fold)} images, or "
                "near-duplicates of them, train the network that is evaluated on them or are in "
                "the outer test part"
            )
    return folds
