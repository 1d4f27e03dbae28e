"""Which images train, which tune and which test.

The validation images pick the epoch; the test images are looked at once, with the weights that were
picked. Frames of one roll, and copies of one surface, on both sides of a split make a score higher
than it is on unseen steel, so every split states how many groups of near-duplicates cross it.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field, NonNegativeInt

from steelexp.data.dataset import DataError, Dataset, raise_if
from steelexp.data.split import PARTS, Rows, Split, read_split

Share = Annotated[float, Field(gt=0, lt=1)]


def random(dataset: Dataset, groups: Rows, *, val: Share = 0.15, seed: int = 42) -> Split:
    """The published protocol: each image trains or validates by a seeded draw; nothing tests.

    Images of one roll fall on both sides, so its scores are higher than on unseen rolls: on
    Severstal a random split reads about 0.95 where the leaderboard reads 0.91.

    Args:
        dataset: the data set.
        groups: not used.
        val: share that picks the epoch and is reported; at least one image on each side.
        seed: seed of the draw.

    Raises:
        DataError: fewer than two images.
    """
    count = len(dataset)
    if count < 2:
        raise DataError(f"split.kind: random needs at least 2 images, the data set has {count}")
    order = np.random.default_rng(seed).permutation(count)
    evaluated = min(max(round(count * val), 1), count - 1)
    return _split(train=order[evaluated:], val=order[:evaluated])


def grouped(
    dataset: Dataset, groups: Rows, *, val: Share = 0.15, test: Share = 0.15, seed: int = 42
) -> Split:
    """Groups of near-duplicates kept whole, every part with its share of each class combination.

    Args:
        dataset: the data set.
        groups: [S] group of each image.
        val: share that picks the epoch.
        test: share that is evaluated at the end.
        seed: seed of the deal.

    Raises:
        DataError: the shares leave nothing to train on, or there are too few groups for them.
    """
    if val + test >= 1:
        raise DataError(
            f"split: tune {val:g} and test {test:g} leave nothing to train on; lower one of them"
        )
    train, tuned, tested = _deal(dataset, groups, (1 - val - test, val, test), seed)
    return Split(train, tuned, tested)


def kfold(
    dataset: Dataset,
    groups: Rows,
    *,
    folds: Annotated[int, Field(ge=3)] = 5,
    fold: NonNegativeInt = 0,
    seed: int = 42,
) -> Split:
    """As grouped, in k equal folds: one tests, the next one tunes, the others train.

    Over fold = 0 ... folds - 1 every image is tested once.

    Args:
        dataset: the data set.
        groups: [S] group of each image.
        folds: how many.
        fold: which of them tests, from 0.
        seed: seed of the deal.

    Raises:
        DataError: there is no such fold, or there are too few groups for them.
    """
    if fold >= folds:
        raise DataError(f"split.fold: {fold} of {folds} folds; they are numbered from 0")
    dealt = _deal(dataset, groups, [1 / folds] * folds, seed)
    tests, tunes = dealt.pop(fold), dealt.pop(fold % (folds - 1))
    return Split(np.sort(np.concatenate(dealt)), tunes, tests)


def file(dataset: Dataset, groups: Rows, *, path: str) -> Split:
    """A split kept under version control, such as the split.csv of an earlier run.

    Args:
        dataset: the data set.
        groups: not used.
        path: a table image,part with a row for each image; part is train, tune, test or unused.
            Images that the data set does not hold are passed over: it may be a subset.

    Raises:
        DataError: the table cannot be read, an image has no row or two, a part is unknown, or
            nothing trains or tunes (all are listed).
    """
    parts = read_split(Path(path))
    missing = [name for name in dataset.names if name not in parts]
    raise_if([f"split.path: {path} has no row for {name}; add it" for name in missing])
    rows = {
        part: np.array([i for i, name in enumerate(dataset.names) if parts[name] == part], np.int64)
        for part in PARTS
    }
    raise_if(
        [
            f"split.path: {path} puts none of the data set's images into {part}"
            for part in PARTS[:2]
            if not len(rows[part])
        ]
    )
    return Split(**rows)


def overfit(dataset: Dataset, groups: Rows) -> Split:
    """Every image trains and evaluates: shows that a model can learn, and nothing else.

    Args:
        dataset: the data set.
        groups: not used.
    """
    rows = np.arange(len(dataset))
    return _split(train=rows, val=rows)


SPLITS: dict[str, Callable[..., Split]] = {
    "random": random,
    "grouped": grouped,
    "kfold": kfold,
    "file": file,
    "overfit": overfit,
}


def _split(*, train: Rows, val: Rows, test: Rows | None = None) -> Split:
    rows = (train, val, np.empty(0, np.int64) if test is None else test)
    return Split(*(np.sort(part).astype(np.int64) for part in rows))


def _deal(dataset: Dataset, groups: Rows, shares: Sequence[float], seed: int) -> list[Rows]:
    """Strip numbers of each share: whole groups, the rarest combinations first; none empty.

    Each group goes where its rarest combination is lacking most, and of equals where images are
    lacking most (Sechidis et al., ECML PKDD 2011, with groups in place of examples). Shares are
    kept to an image or a group. scikit-learn's StratifiedGroupKFold knows equal folds only and takes
    about a hundred times as long (benchmarks/group_split.py).
    """
    codes = combinations(dataset.pixels > 0, len(shares))
    groups = np.unique(groups, return_inverse=True)[1].ravel()
    held = np.zeros((groups.max() + 1, codes.max() + 1), np.int64)  # [G, K] images
    np.add.at(held, (groups, codes), 1)
    lacking = np.outer(shares, held.sum(axis=0))  # [P, K]
    frequency = np.where(held > 0, held.sum(axis=0), len(dataset) + 1)  # of a group's codes
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
            "take more images, larger shares or fewer folds, or split.kind=random"
        )
    return [np.flatnonzero(part[groups] == number) for number in range(len(shares))]


def combinations(holds: npt.NDArray[np.bool_], fewest: int) -> Rows:
    """A code for what each image holds, to stratify on.

    A combination of classes on fewer images than `fewest` counts as its rarest class alone, and
    what is on fewer still as "some defect".

    Args:
        holds: [S, C].
        fewest: images that a combination must have.

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
    """Which images have a code that fewer than `fewest` images have."""
    _, number, counts = np.unique(codes, return_inverse=True, return_counts=True)
    return np.asarray(counts[number.ravel()] < fewest)
