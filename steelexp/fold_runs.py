"""The finished runs of all folds of a spec, from their plans and records."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from steelexp.counts import Counts
from steelexp.data.splits.folds import FoldPart, fold_part, out_of_fold_rows
from steelexp.data.splits.split import Rows
from steelexp.errors import UserError
from steelexp.metric_names import parse_name
from steelexp.metrics import METRICS
from steelexp.plan import Plan
from steelexp.records.folds_file import FoldMember
from steelexp.records.image_scores import FILE as IMAGE_SCORES
from steelexp.records.image_scores import read_image_scores
from steelexp.records.record import Record


class Fold(NamedTuple):
    """A finished run of one fold.

    Attributes:
        plan: Plan of the run.
        record: Its record.
        rows: Numbers of the images of the fold, ascending.
        counts: Pixels of these images, as the run recorded them.
    """

    plan: Plan
    record: Record
    rows: Rows
    counts: Counts


def fold_number(plan: Plan) -> int:
    """Number of the fold of a run, from 0."""
    fold: int = plan.spec.split.settings["fold"]
    return fold


def fold_count(plan: Plan) -> int:
    """Number of folds of the split of a run."""
    folds: int = plan.spec.split.settings["folds"]
    return folds


def part_of(plan: Plan) -> FoldPart:
    """The part of the split of a run that is its fold."""
    return fold_part(plan.spec.split.settings)


def fold_rows(plans: Sequence[Plan]) -> list[Rows]:
    """Numbers of the images of the fold of each run.

    Args:
        plans: Plans of every seed and fold; seed after seed.

    Raises:
        UserError: The plans have other data.
        DataError: A network would be evaluated on what it trains on.
    """
    first = plans[0]
    count = fold_count(first)
    check_same_images(plans)
    rows: list[Rows] = []
    for start in range(0, len(plans), count):
        splits = [plan.split for plan in plans[start : start + count]]
        rows += out_of_fold_rows(splits, part_of(first), first.groups)
    return rows


def read_folds(plans: Sequence[Plan]) -> list[Fold]:
    """The finished runs of all folds.

    Args:
        plans: Plans of every seed and fold, all finished; seed after seed.

    Raises:
        UserError: A run is unfinished, or its record is not of the images of its fold.
        DataError: A network would be evaluated on what it trained on.
    """
    return [_read_fold(plan, rows) for plan, rows in zip(plans, fold_rows(plans), strict=True)]


def check_same_images(plans: Sequence[Plan]) -> None:
    """Check that runs have one data set, with the same groups of near-duplicates.

    Raises:
        UserError: A run has another one.
    """
    first = plans[0]
    for plan in plans[1:]:
        same_data = plan.dataset.manifest == first.dataset.manifest
        if not same_data or not np.array_equal(plan.groups, first.groups):
            raise UserError(
                f"{plan.folder.path}: other images than those of {first.folder.path}; leave one of "
                "them out, or repeat the command if the data set has just changed"
            )


def _read_fold(plan: Plan, rows: Rows) -> Fold:
    record = plan.folder.finished_record()
    scores = read_image_scores(plan.folder.file(record.images), part_of(plan))
    names = tuple(plan.dataset.names[row] for row in rows)
    recorded = (record.digest, scores.images, scores.classes)
    if recorded != (plan.digest, names, tuple(plan.dataset.classes)):
        raise UserError(
            f"{plan.folder.path / record.images}: not of the {len(rows)} images of fold "
            f"{fold_number(plan)}; restore it, or run the fold again with --fresh"
        )
    return Fold(plan, record, rows, scores.counts)


def member_of(fold: Fold) -> FoldMember:
    """The entry of a run in folds.json."""
    record = fold.record
    part = part_of(fold.plan)
    parsed = {name: parse_name(name) for name in record.metrics}
    return FoldMember(
        fold=fold_number(fold.plan),
        seed=record.seed,
        digest=record.digest,
        weights=record.weights,
        scores=record.files.get(IMAGE_SCORES, ""),
        best_epoch=record.best_epoch,
        images=len(fold.rows),
        metrics={
            name.removeprefix(f"{part}_"): record.metrics[name]
            for name, each in parsed.items()
            if each.part == part and METRICS[each.metric].on_images
        },
    )


def rows_of(folds: Iterable[Fold]) -> Rows:
    """Numbers of the images of all folds, ascending and each once."""
    return np.unique(np.concatenate([fold.rows for fold in folds]))


def numbers_of(folds: Iterable[Fold], rows: Rows) -> Rows:
    """The fold of each image, [S].

    Args:
        folds: Folds.
        rows: [S] numbers of their images, ascending.
    """
    numbers = np.empty(len(rows), np.int64)
    for fold in folds:
        numbers[np.searchsorted(rows, fold.rows)] = fold_number(fold.plan)
    return numbers
