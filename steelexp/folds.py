"""The runs of all folds of a spec as one result: every image out of fold, once for each seed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from steelexp.comparison.pooled import pooled_metrics
from steelexp.counts import Counts
from steelexp.data.splits.folds import FoldPart
from steelexp.data.splits.split import Rows
from steelexp.errors import UserError
from steelexp.evaluation.cross_fitting import cross_fitted_counts
from steelexp.evaluation.postprocessing_search import tune_rules
from steelexp.evaluation.tuning_counts import TuningCounts, concatenate
from steelexp.fold_runs import (
    Fold,
    fold_count,
    fold_number,
    member_of,
    numbers_of,
    part_of,
    read_folds,
    rows_of,
)
from steelexp.metric_names import Part
from steelexp.metrics import definitions
from steelexp.network_memory import NetworkMemory
from steelexp.plan import Plan
from steelexp.progress import say
from steelexp.records.folds_file import (
    FoldMember,
    FoldsFile,
    checked_table,
    folds_folder,
    members_digest,
    read_folds_file,
    table_name,
    write_folds_file,
)
from steelexp.records.image_scores import ImageScores, write_image_scores
from steelexp.records.postprocessing import Postprocessing
from steelexp.records.run_file import hashes_of
from steelexp.records.store import RunFolder
from steelexp.reevaluate import tuning_counts

POST: dict[FoldPart, Part] = {"val": "val_post", "test": "test_post"}


class SeedCounts(NamedTuple):
    """Every image out of fold, for one seed; images by ascending number.

    Attributes:
        counts: Pixels at the threshold, as the runs recorded them.
        post: Pixels after post-processing by rules of other groups.
        tuning: Counts that rules are tuned on.
    """

    counts: Counts
    post: Counts
    tuning: TuningCounts


def folds_of(plans: Sequence[Plan], runs: Path) -> Path:
    """The folder of the folds of a spec.

    Args:
        plans: Plans of every seed and fold.
        runs: Folder of the run folders.
    """
    digest = members_digest((fold_number(plan), plan.spec.seed, plan.digest) for plan in plans)
    return folds_folder(runs, plans[0].spec.name, digest)


def write_folds(plans: Sequence[Plan], folder: Path, command: str) -> FoldsFile:
    """Write the folder of the folds, or leave it where it is of these very runs.

    A kill leaves it as it was or as it shall be, since folds.json comes last.

    Args:
        plans: Plans of every seed and fold, all finished; seed after seed.
        folder: Folder of the folds.
        command: Command that writes it again.

    Raises:
        UserError: A run is unfinished, or its record is not of the images of its fold.
        DataError: A network would be evaluated on what it trained on.
    """
    folds = read_folds(plans)
    members = list(map(member_of, folds))
    with RunFolder(folder).hold():
        if (written := _written(folder, members)) is not None:
            say(f"{folder}: the folds are finished already")
            return written
        say(f"{folder}: scores of {len(folds)} networks out of fold, for the post-processing")
        by_seed: dict[int, list[Fold]] = {}
        for fold in folds:
            by_seed.setdefault(fold.record.seed, []).append(fold)
        memory = NetworkMemory()  # all folds have one graph, which takes seconds to build
        seeds = {seed: _seed_counts(of_seed, memory) for seed, of_seed in by_seed.items()}
        for seed, counts in seeds.items():
            write_image_scores(folder / table_name(seed), _tables(folds, counts))
        result = _result(folds, members, seeds, folder, command)
        write_folds_file(folder, result)
    return result


def _written(folder: Path, members: Sequence[FoldMember]) -> FoldsFile | None:
    """The result that is there; None where it is missing, damaged or of other scores."""
    try:
        written = read_folds_file(folder)
        for seed in written.seeds:
            checked_table(folder, written, seed)
    except UserError:
        return None
    return written if written.members == list(members) else None


def _seed_counts(folds: Sequence[Fold], memory: NetworkMemory) -> SeedCounts:
    """Score the images of every fold of one seed, and tune post-processing on other groups."""
    plan = folds[0].plan
    order = np.argsort(np.concatenate([fold.rows for fold in folds]))
    pixels = np.concatenate([np.stack(fold.counts) for fold in folds], axis=1)[:, order]
    parts = [tuning_counts(fold.plan, fold.rows, memory.network) for fold in folds]
    tuning = concatenate(parts).on(order)
    post = cross_fitted_counts(
        tuning.scores,
        tuning.areas,
        plan.groups[rows_of(folds)],
        plan.dataset.classes,
        plan.spec.postprocessing.metric,
        tuning.head,
    )
    return SeedCounts(Counts(*pixels), post, tuning)


def _tables(folds: Sequence[Fold], seed: SeedCounts) -> dict[Part, ImageScores]:
    plan = folds[0].plan
    rows = rows_of(folds)
    part = part_of(plan)
    names = tuple(plan.dataset.names[row] for row in rows)
    classes = tuple(plan.dataset.classes)
    return {
        part: ImageScores(names, plan.groups[rows], classes, seed.counts),
        POST[part]: ImageScores(names, plan.groups[rows], classes, seed.post),
    }


def _result(
    folds: Sequence[Fold],
    members: list[FoldMember],
    seeds: Mapping[int, SeedCounts],
    folder: Path,
    command: str,
) -> FoldsFile:
    plan = folds[0].plan
    rows = rows_of(folds)
    groups = plan.groups[rows]
    where = (groups, numbers_of(folds, rows), plan.dataset.classes)
    outer = len(plan.split.test) if part_of(plan) == "val" else 0
    rules = _common_rules(plan, groups, list(seeds.values()))
    threshold = plan.spec.training.threshold
    return FoldsFile(
        name=plan.spec.name,
        digest=folder.name.removeprefix("folds-"),
        command=command,
        data=plan.dataset.manifest,
        folds=fold_count(plan),
        seeds=list(seeds),
        split_seed=plan.spec.split.settings["seed"],
        part=part_of(plan),
        epoch_chosen_on_fold=part_of(plan) == "val",
        classes=list(plan.dataset.classes),
        threshold=threshold,
        definitions=definitions(),
        images=len(rows),
        groups=len(np.unique(groups)),
        outer_test=outer,
        unused=len(plan.dataset) - len(rows) - outer,
        members=members,
        metrics=pooled_metrics([each.counts for each in seeds.values()], *where),
        post_metrics=pooled_metrics([each.post for each in seeds.values()], *where),
        rules=rules.classes,
        tuned_for=rules.metric,
        rescored=sum(_differing(each, threshold) for each in seeds.values()),
        files=hashes_of(folder, map(table_name, seeds)),
    )


def _common_rules(plan: Plan, groups: Rows, seeds: Sequence[SeedCounts]) -> Postprocessing:
    """Rules for images that no member has seen, tuned on all images with all seeds."""
    tuning = concatenate([each.tuning for each in seeds])
    return tune_rules(
        tuning.scores,
        tuning.areas,
        np.tile(groups, len(seeds)),
        plan.dataset.classes,
        plan.spec.postprocessing.metric,
        tuning.head,
    )


def _differing(seed: SeedCounts, threshold: float) -> int:
    """Number of images whose pixels at the threshold are not those of the record."""
    scores = seed.tuning.scores
    again = scores.counts_at(np.array(scores.index_of(threshold)))
    different = [a != b for a, b in zip(again, seed.counts, strict=True)]
    return int(np.any(different, axis=(0, 2)).sum())
