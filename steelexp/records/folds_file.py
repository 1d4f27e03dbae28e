"""folds.json: the runs of all folds of a spec as one result.

It lies in RUNS/NAME/folds-DIGEST/, beside the run folders, with a table of pixels for each seed:

    seed-0.parquet   pixels per image and class of the networks that did not train on the image

Such a table has the columns of `image_scores.parquet` and each image once.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from steelexp.records.document import read_model, write_document
from steelexp.records.postprocessing import ClassRules
from steelexp.records.run_file import check_hash
from steelexp.records.store import walk

FILE: Final = "folds.json"
VERSION: Final = 1
_FIX: Final = "restore it, or write it again with the command of the folds"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)


class FoldMember(_Part):
    """The run of one fold and seed.

    Attributes:
        fold: Number of the fold, from 0.
        seed: Seed of the run.
        digest: Digest of the run, the name of its folder.
        weights: Hash of the weights that were evaluated.
        scores: Hash of its image_scores.parquet.
        best_epoch: Epoch of these weights.
        images: Number of images of the fold.
        metrics: Metrics of these images, over all classes and per class.
    """

    fold: int
    seed: int
    digest: str
    weights: str
    scores: str
    best_epoch: int
    images: int
    metrics: dict[str, float]


class PooledMetric(_Part):
    """A metric over the images of all folds, each scored once, averaged over the seeds.

    Attributes:
        value: Mean over the seeds.
        low: Lower bound of the 95 % interval over groups, and over seeds if there are several;
            None without an interval.
        high: Upper bound; None without an interval.
        seeds: Value of each seed.
        folds: Value within each fold, the mean over the seeds; None where it is not defined.
        fold_spread: Standard deviation of the values within folds; None with fewer than two.
    """

    value: float
    low: float | None
    high: float | None
    seeds: list[float | None]
    folds: list[float | None]
    fold_spread: float | None

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:.4f}"
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


class FoldsFile(_Part):
    """Contents of `folds.json`.

    Attributes:
        schema_version: Version of this file.
        name: Name of the spec.
        digest: Digest of the members, in the name of the folder.
        command: Command that writes it again.
        data: sha256 of the contents of the data set.
        folds: Number of folds.
        seeds: Seeds of the runs.
        split_seed: Random seed of the folds.
        part: Part of each run's split that is its fold.
        epoch_chosen_on_fold: Whether the images of a fold also picked the epoch of the network that
            is evaluated on them. Its metrics are then somewhat higher than on images that picked
            nothing.
        classes: Names of the classes.
        threshold: Score threshold.
        definitions: Definition of each metric.
        images: Number of images that are scored out of fold.
        groups: Number of their groups of near-duplicates.
        outer_test: Number of images of the outer test part, which no fold holds.
        unused: Number of images that no fold holds and no test part.
        members: Run of each seed and fold.
        metrics: Metrics at the threshold, over all classes and per class.
        post_metrics: Metrics after post-processing by rules that were tuned on other groups.
        rules: Rules that were tuned on the images of all folds and all seeds, for images that no
            member has seen.
        tuned_for: Metric that the rules maximise.
        rescored: Number of images whose pixels at the threshold differ between the record of the
            run and the scores behind the post-processing; 0 on the machine that trained the runs.
        files: Name -> hash of each table beside it.
    """

    schema_version: Literal[1] = VERSION
    name: str
    digest: str
    command: str
    data: str
    folds: int
    seeds: list[int]
    split_seed: int
    part: Literal["val", "test"]
    epoch_chosen_on_fold: bool
    classes: list[str]
    threshold: float
    definitions: dict[str, str]
    images: int
    groups: int
    outer_test: int
    unused: int
    members: list[FoldMember]
    metrics: dict[str, PooledMetric]
    post_metrics: dict[str, PooledMetric]
    rules: dict[str, ClassRules]
    tuned_for: str
    rescored: int
    files: dict[str, str]


def members_digest(members: Iterable[tuple[int, int, str]]) -> str:
    """Eight hex digits for the fold, seed and digest of every member."""
    text = json.dumps(sorted(members))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def folds_folder(runs: Path, name: str, digest: str) -> Path:
    """The folder of the folds of a spec."""
    return runs / name / f"folds-{digest}"


def table_name(seed: int) -> str:
    """Name of the table of a seed."""
    return f"seed-{seed}.parquet"


def write_folds_file(folder: Path, folds: FoldsFile) -> Path:
    """Write folds.json, the last file of its folder."""
    return write_document(folder / FILE, folds.model_dump(mode="json"))


def read_folds_file(folder: Path) -> FoldsFile:
    """Read folds.json.

    Raises:
        UserError: It cannot be read, is damaged, or another version wrote it.
    """
    file = folder / FILE
    return read_model(file, FoldsFile, noun="a result of folds", fix=_FIX)


def checked_table(folder: Path, folds: FoldsFile, seed: int) -> Path:
    """The table of a seed, whose content is what folds.json was written for.

    Raises:
        UserError: It cannot be read, or is damaged.
    """
    name = table_name(seed)
    return check_hash(folder / name, folds.files.get(name), fix=_FIX)


def folds_folders(root: Path) -> Iterator[Path]:
    """Every folder with a folds.json at or below a folder; those set aside are left out."""
    return (path for path, names in walk(root) if FILE in names)
