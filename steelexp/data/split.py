"""Which strips train, which tune and which test.

The tune strips pick the epoch; the test strips are looked at once, with the weights that were
picked. Frames of one roll, and copies of one surface, on both sides of a split make a score higher
than it is on unseen steel, so every split states how many groups of near-duplicates cross it.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field, NonNegativeInt

from steelexp.data.fold import PARTS, Fold, Rows, read_split
from steelexp.data.strips import DataError, Strips, refuse

Share = Annotated[float, Field(gt=0, lt=1)]


def random(strips: Strips, groups: Rows, *, validation: Share = 0.15, seed: int = 42) -> Fold:
    """The published protocol: each image trains or validates by a seeded draw; nothing tests.

    Images of one roll fall on both sides, so its scores are higher than on unseen rolls: on
    Severstal a random split reads about 0.95 where the leaderboard reads 0.91.

    Args:
        strips: the data set.
        groups: not used.
        validation: share that picks the epoch and is reported; at least one strip on each side.
        seed: seed of the draw.

    Raises:
        DataError: fewer than two strips.
    """
    count = len(strips)
    if count < 2:
        raise DataError(f"split.kind: random needs at least 2 strips, the data set has {count}")
    order = np.random.default_rng(seed).permutation(count)
    judged = min(max(round(count * validation), 1), count - 1)
    return _fold(train=order[judged:], tune=order[:judged])


def grouped(
    strips: Strips, groups: Rows, *, tune: Share = 0.15, test: Share = 0.15, seed: int = 42
) -> Fold:
    """Groups of near-duplicates kept whole, every part with its share of each class combination.

    Args:
        strips: the data set.
        groups: [S] group of each strip.
        tune: share that picks the epoch.
        test: share that is judged at the end.
        seed: seed of the deal.

    Raises:
        DataError: the shares leave nothing to train on, or there are too few groups for them.
    """
    if tune + test >= 1:
        raise DataError(
            f"split: tune {tune:g} and test {test:g} leave nothing to train on; lower one of them"
        )
    train, tuned, tested = _deal(strips, groups, (1 - tune - test, tune, test), seed)
    return Fold(train, tuned, tested)


def kfold(
    strips: Strips,
    groups: Rows,
    *,
    folds: Annotated[int, Field(ge=3)] = 5,
    fold: NonNegativeInt = 0,
    seed: int = 42,
) -> Fold:
    """As grouped, in k equal folds: one tests, the next one tunes, the others train.

    Over fold = 0 ... folds - 1 every strip is tested once.

    Args:
        strips: the data set.
        groups: [S] group of each strip.
        folds: how many.
        fold: which of them tests, from 0.
        seed: seed of the deal.

    Raises:
        DataError: there is no such fold, or there are too few groups for them.
    """
    if fold >= folds:
        raise DataError(f"split.fold: {fold} of {folds} folds; they are numbered from 0")
    dealt = _deal(strips, groups, [1 / folds] * folds, seed)
    tests, tunes = dealt.pop(fold), dealt.pop(fold % (folds - 1))
    return Fold(np.sort(np.concatenate(dealt)), tunes, tests)


def file(strips: Strips, groups: Rows, *, path: str) -> Fold:
    """A split kept under version control, such as the split.csv of an earlier run.

    Args:
        strips: the data set.
        groups: not used.
        path: a table image,part with a row for each image; part is train, tune, test or unused.
            Images that the data set does not hold are passed over: it may be a subset.

    Raises:
        DataError: the table cannot be read, an image has no row or two, a part is unknown, or
            nothing trains or tunes (all are listed).
    """
    parts = read_split(Path(path))
    missing = [name for name in strips.names if name not in parts]
    refuse([f"split.path: {path} has no row for {name}; add it" for name in missing])
    rows = {
        part: np.array([i for i, name in enumerate(strips.names) if parts[name] == part], np.int64)
        for part in PARTS
    }
    refuse(
        [
            f"split.path: {path} puts none of the data set's images into {part}"
            for part in PARTS[:2]
            if not len(rows[part])
        ]
    )
    return Fold(**rows)


def same(strips: Strips, groups: Rows) -> Fold:
    """Every strip trains and judges: shows that a model can learn, and nothing else.

    Args:
        strips: the data set.
        groups: not used.
    """
    rows = np.arange(len(strips))
    return _fold(train=rows, tune=rows)


SPLITS: dict[str, Callable[..., Fold]] = {
    "random": random,
    "grouped": grouped,
    "kfold": kfold,
    "file": file,
    "same": same,
}


def _fold(*, train: Rows, tune: Rows, test: Rows | None = None) -> Fold:
    rows = (train, tune, np.empty(0, np.int64) if test is None else test)
    return Fold(*(np.sort(part).astype(np.int64) for part in rows))


def _deal(strips: Strips, groups: Rows, shares: Sequence[float], seed: int) -> list[Rows]:
    """Strip numbers of each share: whole groups, the rarest combinations first; none empty.

    Each group goes where its rarest combination is lacking most, and of equals where strips are
    lacking most (Sechidis et al., ECML PKDD 2011, with groups in place of examples). Shares are
    kept to a strip or a group. scikit-learn's StratifiedGroupKFold knows equal folds only and takes
    about a hundred times as long (benchmarks/group_split.py).
    """
    codes = combinations(strips.pixels > 0, len(shares))
    groups = np.unique(groups, return_inverse=True)[1].ravel()
    held = np.zeros((groups.max() + 1, codes.max() + 1), np.int64)  # [G, K] strips
    np.add.at(held, (groups, codes), 1)
    lacking = np.outer(shares, held.sum(axis=0))  # [P, K]
    frequency = np.where(held > 0, held.sum(axis=0), len(strips) + 1)  # of a group's codes
    rarest, scarcity = frequency.argmin(axis=1), frequency.min(axis=1)
    drawn = np.random.default_rng(seed).permutation(len(held))
    order = drawn[np.lexsort((-held.sum(axis=1)[drawn], scarcity[drawn]))]
    part = np.empty(len(held), np.int64)
    for group in order.tolist():
        wants = lacking[:, rarest[group]]
        most = np.flatnonzero(wants == wants.max())
        part[group] = most[lacking[most].sum(axis=1).argmax()]
        lacking[part[group]] -= held[group]
    if len(np.unique(part)) < len(shares):
        raise DataError(
            f"split: {len(held)} groups of near-duplicates are too few for {len(shares)} parts; "
            "take more strips, larger shares or fewer folds, or split.kind=random"
        )
    return [np.flatnonzero(part[groups] == number) for number in range(len(shares))]


def combinations(holds: npt.NDArray[np.bool_], fewest: int) -> Rows:
    """A code for what each strip holds, to stratify on.

    A combination of classes on fewer strips than `fewest` counts as its rarest class alone, and
    what is on fewer still as "some defect".

    Args:
        holds: [S, C].
        fewest: strips that a combination must have.

    Returns:
        [S] codes.
    """
    order = np.argsort(holds.sum(axis=0), kind="stable")  # the rarest class first
    codes = holds @ (1 << np.arange(holds.shape[1]))
    alone = np.where(holds.any(axis=1), 1 << order[np.argmax(holds[:, order], axis=1)], 0)
    codes = np.where(_few(codes, fewest), alone, codes)
    some = _few(codes, fewest) & holds.any(axis=1)
    return np.asarray(np.where(some, 1 << holds.shape[1], codes), np.int64)


def _few(codes: Rows, fewest: int) -> npt.NDArray[np.bool_]:
    """Which strips have a code that fewer than `fewest` strips have."""
    _, number, counts = np.unique(codes, return_inverse=True, return_counts=True)
    return np.asarray(counts[number.ravel()] < fewest)
