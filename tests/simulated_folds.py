"""Folders of folds as `run --folds` leaves them, from simulated pixels."""

from pathlib import Path

import numpy as np

from steelexp.comparison.pooled import pooled_metrics
from steelexp.counts import Counts
from steelexp.metrics import definitions
from steelexp.records.folds_file import (
    FoldMember,
    FoldsFile,
    folds_folder,
    members_digest,
    table_name,
    write_folds_file,
)
from steelexp.records.image_scores import ImageScores, write_image_scores
from steelexp.records.postprocessing import ClassRules
from steelexp.records.run_file import hashes_of
from tests.simulated_runs import CLASSES, Study, counts, draw, write_run

FOLDS = 3


def write_folds_study(root: Path, study: Study, *, seed: int = 0, **fields: object) -> list[Path]:
    """Draw a study; write the runs of each strategy, seed and fold, and a folder of folds.

    Args:
        root: Folder of the run folders.
        study: Study to draw.
        seed: Seed of the drawing.
        fields: Other values for fields of every folds.json.
    """
    random = np.random.default_rng(seed)
    scores = draw(study, random)
    folds = scores.groups % FOLDS
    return [
        _write_strategy(
            root,
            name,
            [counts(scores.dice[k, r], scores.held, random) for r in range(study.seeds)],
            scores.groups,
            folds,
            first=100 * k,
            **fields,
        )
        for k, name in enumerate(study.effects)
    ]


def _write_strategy(
    root: Path,
    name: str,
    seeds: list[Counts],
    groups: np.ndarray,
    folds: np.ndarray,
    first: int,
    **fields: object,
) -> Path:
    members = []
    for seed, pixels in enumerate(seeds):
        for fold in range(FOLDS):
            digest = f"{first + seed * FOLDS + fold:08x}"
            inside = folds == fold
            part = Counts(*(each[inside] for each in pixels))
            write_run(
                root / name / digest,
                {"val": part},
                {"val": groups[inside]},
                name=name,
                seed=seed,
                digest=digest,
            )
            members.append(_member(fold, seed, digest, int(inside.sum())))
    digest = members_digest((each.fold, each.seed, each.digest) for each in members)
    folder = folds_folder(root, name, digest)
    names = tuple(f"{number:04d}.jpg" for number in range(len(groups)))
    for seed, pixels in enumerate(seeds):
        scores = ImageScores(names, groups, CLASSES, pixels)
        write_image_scores(folder / table_name(seed), {"val": scores, "val_post": scores})
    metrics = pooled_metrics(seeds, groups, folds, CLASSES)
    values: dict[str, object] = {
        "name": name,
        "digest": digest,
        "command": f"steelexp run {name}.yaml --folds",
        "data": "sha",
        "folds": FOLDS,
        "seeds": list(range(len(seeds))),
        "split_seed": 42,
        "part": "val",
        "epoch_chosen_on_fold": True,
        "classes": list(CLASSES),
        "threshold": 0.5,
        "definitions": definitions(),
        "images": len(groups),
        "groups": len(np.unique(groups)),
        "outer_test": 12,
        "unused": 0,
        "members": members,
        "metrics": metrics,
        "post_metrics": metrics,
        "rules": {label: ClassRules(threshold=0.4) for label in CLASSES},
        "tuned_for": "dice_kaggle",
        "rescored": 0,
        "files": hashes_of(folder, map(table_name, range(len(seeds)))),
    }
    write_folds_file(folder, FoldsFile.model_validate(values | fields))
    return folder


def _member(fold: int, seed: int, digest: str, images: int) -> FoldMember:
    return FoldMember(
        fold=fold,
        seed=seed,
        digest=digest,
        weights="sha",
        scores="sha",
        best_epoch=3,
        images=images,
        metrics={},
    )
