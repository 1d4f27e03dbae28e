"""The folds of a spec as runs on the images of all folds, one run a seed.

So strategies are paired over folds: each image by the networks that did not train on it.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from steelexp.comparison.evaluated_run import EvaluatedImages, EvaluatedRun
from steelexp.errors import UserError
from steelexp.metric_names import Part
from steelexp.metrics import image_metrics
from steelexp.records.folds_file import FoldsFile, checked_table, read_folds_file, table_name
from steelexp.records.image_scores import read_image_scores
from steelexp.records.postprocessing import Postprocessing
from steelexp.records.record import Record
from steelexp.records.store import RunFolder
from steelexp.spec import read_resolved


def read_evaluated_folds(folder: Path, part: Part) -> list[EvaluatedRun]:
    """The folds of a spec as one run for each seed.

    Args:
        folder: Folder of folds, beside its run folders.
        part: Part of the split that is compared.

    Raises:
        UserError: The folds are another part, or a file of them or of their runs cannot be read.
    """
    folds = read_folds_file(folder)
    of_split = part.removesuffix("_post")
    if folds.part != of_split:
        raise UserError(
            f"{folder}: its folds are the {folds.part} parts of its runs; compare them with "
            f"--part {folds.part}"
        )
    return [_run_of_seed(folder, folds, seed, part) for seed in folds.seeds]


def _run_of_seed(folder: Path, folds: FoldsFile, seed: int, part: Part) -> EvaluatedRun:
    scores = read_image_scores(checked_table(folder, folds, seed), part)
    members = [each for each in folds.members if each.seed == seed]
    runs = [RunFolder(folder.parent / each.digest) for each in members]
    records = [run.finished_record() for run in runs]
    metrics = image_metrics(scores.counts, scores.classes, part)
    news: dict[str, Any] = {
        "digest": f"{folds.digest}-{seed}",
        "metrics": metrics,
        "split": _split(folds, records[0]),
        "images": table_name(seed),
        "seconds": round(sum(record.seconds for record in records), 1),
        "postprocessing": Postprocessing(metric=folds.tuned_for, classes=folds.rules),
    }
    labelled = scores.counts.tp + scores.counts.fn
    groups = np.unique(scores.groups, return_inverse=True)[1].ravel()
    images = EvaluatedImages(part, scores.images, groups, scores.classes, labelled)
    return EvaluatedRun(
        RunFolder(folder),
        records[0].model_copy(update=news),
        read_resolved(runs[0].file("spec.yaml")),
        images,
        scores.counts,
    )


def _split(folds: FoldsFile, record: Record) -> dict[str, Any]:
    """The split of a record of the images of all folds; no image of them trains."""
    settings = {
        "kind": "kfold",
        "folds": folds.folds,
        "seed": folds.split_seed,
        "outer_test": folds.outer_test,
    }
    parts = {
        **record.split["parts"],
        "train": 0,
        "val": 0,
        "test": folds.outer_test,
        folds.part: folds.images,
        "unused": folds.unused,
        "digest": hashlib.sha256(json.dumps([settings, folds.data]).encode()).hexdigest(),
    }
    return settings | {"parts": parts}
