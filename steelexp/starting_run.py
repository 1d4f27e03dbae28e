"""The run whose weights another run starts with: what it was, and which images it has seen.

Scores on images that trained the starting run, picked its epoch or tuned it would be too high. So
its training and validation images are compared with the validation and test part of the new run, by
content and as near-duplicates. The images of the runs before it count as its own: each run that
starts with another one writes the images that its weights have seen into `SEEN`.
"""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from steelexp.data.dataset import Dataset
from steelexp.data.duplicates.relatives import joint_groups
from steelexp.data.image_table import FILE as IMAGE_TABLE
from steelexp.data.image_table import read_image_table
from steelexp.data.run_images import SPLIT, read_run_data
from steelexp.data.splits.file import read_split
from steelexp.data.splits.split import Rows, Split, split_digest
from steelexp.data.variant import select
from steelexp.errors import UserError, reason
from steelexp.privacy import public
from steelexp.records.record import Record
from steelexp.records.store import RunFolder, is_run_folder
from steelexp.report.tables import is_trial
from steelexp.spec import ExperimentSpec, load
from steelexp.spec.effects import effective_settings, is_part_of
from steelexp.spec.schema import ModelSpec
from steelexp.spreadsheet import csv_text
from steelexp.training import checkpoint

FILE = "start.json"
"""File of a run folder about the run that it starts with."""

SEEN = "start.csv"
"""File of a run folder with the images that its first weights have seen, by content."""

Part = Literal["train", "picked", "val"]
"""What an image did for a run: it trained it, picked its epoch or tuned it, or validated it."""

_GOES_ON_WITH = ("training.epochs", "training.early_stopping_patience")
"""Settings that may differ where a run goes on with the epochs of another."""


class Comparison(BaseModel):
    """The images that a starting run has seen, beside the parts of a new run.

    Attributes:
        val: Groups of the validation part by what an image of them did for the starting run.
        test: The same for the test part.
        not_compared: Images of the starting run that are not in the new data set and of which
            near-duplicates could not be looked for.
        why: Reason why they could not; "" where all were compared.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    val: dict[Part, int]
    test: dict[Part, int]
    not_compared: int
    why: str


class Start(BaseModel):
    """The run whose weights another run starts with.

    Attributes:
        folder: Its folder.
        digest: Its digest.
        weights: Hash of the weights that are taken.
        take: Which of them are taken.
        at: The epoch that they are of: the best, the last, or the last with all before it.
        epoch: Number of that epoch.
        classes: Its classes, in the order of its output.
        comparison: What it has seen of the validation and test part.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: str
    digest: str
    weights: str
    take: Literal["all", "encoder"]
    at: Literal["last", "best", "continue"]
    epoch: int
    classes: tuple[str, ...]
    comparison: Comparison

    @property
    def identity(self) -> str:
        """What goes into the digest of the new run."""
        return f"{self.digest} {self.weights}"

    @property
    def file(self) -> Path:
        """The file with the weights."""
        folder = RunFolder(Path(self.folder))
        return folder.best_weights if self.at == "best" else folder.last_weights

    def read_weights(self) -> checkpoint.WeightsByName:
        """The weights by name.

        Raises:
            UserError: They are no longer there, or no longer the ones of the plan.
        """
        weights = checkpoint.read_weights(self.file, self.digest)
        if checkpoint.hash_by_name(weights) != self.weights:
            raise UserError(f"{self.file}: not the weights that this run began with")
        return weights


def starting_run(
    spec: ExperimentSpec,
    dataset: Dataset,
    groups: Rows,
    split: Split,
    *,
    own: RunFolder | None = None,
) -> tuple[Start, Mapping[str, Part]] | None:
    """The run that `model.start` names, after a check that it has seen no evaluated image.

    Args:
        spec: Spec of the new run.
        dataset: Its data set, S images.
        groups: [S] group of near-duplicates of each image.
        split: Split of the new run.
        own: Folder of the new run, if it has begun: what it recorded stands if the starting run is
            no longer there.

    Returns:
        The starting run, and the part of each image that its weights have seen, by hash; None
        where the spec names no run.

    Raises:
        UserError: There is no such run, it does not fit, or it has seen an evaluated image.
    """
    model = spec.model
    assert isinstance(model, ModelSpec)
    if model.start is None:
        return None
    folder = RunFolder(Path(model.start))
    if not is_run_folder(folder.path):
        if own is not None and (recorded := _recorded(own)):
            return recorded
        raise UserError(
            f"model.start: {model.start}: no run folder; give one, such as runs/quickstart/DIGEST"
        )
    record = folder.finished_record()
    other: ExperimentSpec = load(folder.file("spec.yaml"), model=type(spec))
    _check_network(spec, other, folder)
    if model.start_at == "continue":
        _check_continuation(spec, other, folder, record, dataset, split)
    seen = _seen(folder, picked=model.start_at == "best" or is_trial(folder.path.resolve()))
    comparison = _compare(seen, dataset, groups, split, other, record.white)
    _refuse_shared(folder, comparison)
    path = folder.best_weights if model.start_at == "best" else folder.last_weights
    if not path.is_file():
        raise UserError(f"model.start: {path}: no such file; the run's weights were moved")
    start = Start(
        folder=str(folder.path),
        digest=record.digest,
        weights=checkpoint.hash_by_name(checkpoint.read_weights(path, record.digest)),
        take=model.start_weights,
        at=model.start_at,
        epoch=record.best_epoch if model.start_at == "best" else record.epochs,
        classes=tuple(record.class_weights),
        comparison=comparison,
    )
    return start, seen


def start_lines(start: Start, classes: tuple[str, ...]) -> list[str]:
    """What a run starts with, in words.

    Args:
        start: Starting run.
        classes: Classes of the new run.
    """
    what = "all weights" if start.take == "all" else "the encoder's weights"
    line = f"Starts with {what} of {start.folder} after its epoch {start.epoch}, its {start.at} one"
    if start.at == "continue":
        line = f"Goes on with {start.folder} after its {start.epoch} epochs"
    lines = [f"{line}."]
    if start.take == "all" and start.classes != classes:
        lines.append(
            f"The last layer begins anew, because that run has the classes "
            f"{', '.join(start.classes)}."
        )
    compared = start.comparison
    shared = sum(compared.val.values())
    if shared and start.at != "continue":
        lines.append(
            f"{_groups(shared)} of the val part validated that run as well; both trainings were "
            "watched on them."
        )
    if compared.not_compared:
        lines.append(
            f"{compared.not_compared} images that it has seen are compared by content alone, "
            f"without their near-duplicates ({compared.why})."
        )
    return lines


def start_texts(start: Start, seen: Mapping[str, Part]) -> dict[str, str]:
    """The files of a run folder about its starting run."""
    values = start.model_dump(mode="json")
    values["folder"] = public(values["folder"])
    return {
        FILE: json.dumps(values, indent=2) + "\n",
        SEEN: csv_text([("image_hash", "part"), *sorted(seen.items())]),
    }


def _recorded(own: RunFolder) -> tuple[Start, Mapping[str, Part]] | None:
    """The starting run as a run that began with it has recorded it; None without a record."""
    file = own.file(FILE)
    if not file.is_file():
        return None
    try:
        return Start.model_validate(json.loads(file.read_text("utf-8"))), _seen_before(own)
    except (ValueError, ValidationError) as error:
        raise UserError(f"{file}: damaged ({reason(error)}); restore it") from None


def _check_network(spec: ExperimentSpec, other: ExperimentSpec, folder: RunFolder) -> None:
    """Raise where the networks have other weights than one another."""
    model = spec.model
    assert isinstance(model, ModelSpec)
    now = {"architecture": model.choice, **model.settings}
    before = {"architecture": other.model.choice, **other.model.settings}
    own = ("weights", "scaling", "resolution", "batch_norm_momentum")
    keys = ["backbone"] if model.start_weights == "encoder" else [k for k in now if k not in own]
    wrong = [key for key in keys if now.get(key) != before.get(key)]
    if not wrong:
        return
    settings = ", ".join(f"model.{key}={before.get(key)}" for key in wrong)
    fix = "" if "backbone" in wrong else ", or model.start_weights=encoder"
    raise UserError(f"model.start: {folder.path}: its network is another one; set {settings}{fix}")


def _check_continuation(
    spec: ExperimentSpec,
    other: ExperimentSpec,
    folder: RunFolder,
    record: Record,
    dataset: Dataset,
    split: Split,
) -> None:
    """Raise where a run that goes on with the epochs of another is not the same but longer."""
    where = f"model.start: {folder.path}: model.start_at=continue"
    ignored = ("data", "split", "model.start", "model.start_at", *_GOES_ON_WITH)
    now, before = (
        {k: v for k, v in effective_settings(each).items() if not is_part_of(k, ignored)}
        for each in (spec, other)
    )
    wrong = [key for key in {**now, **before} if now.get(key) != before.get(key)]
    if wrong:
        raise UserError(
            f"{where} trains the same run for more epochs, and {wrong[0]} was "
            f"{before.get(wrong[0])} and is {now.get(wrong[0])}; take its spec.yaml, or start_at="
            "last"
        )
    if spec.schedule.choice != "plateau":
        raise UserError(
            f"{where}: schedule.name={spec.schedule.choice} depends on the number of epochs; take "
            "model.start_at=last, which begins a new schedule"
        )
    parts = record.split["parts"]["digest"]
    if (record.data, parts) != (dataset.manifest, split_digest(dataset, split)):
        what = "data" if record.data != dataset.manifest else "split"
        raise UserError(f"{where} trains the same run for more epochs, and its {what} is another")
    if spec.training.epochs <= record.epochs:
        raise UserError(
            f"{where}: it has {record.epochs} epochs already; raise training.epochs above "
            f"{record.epochs}"
        )


def _seen(folder: RunFolder, *, picked: bool) -> dict[str, Part]:
    """Image hash -> what the image did for the weights of a run and of those before it."""
    contents = read_image_table(folder.file(IMAGE_TABLE))
    if contents is None:
        raise UserError(
            f"model.start: {folder.path}: it keeps no {IMAGE_TABLE}, which would tell its images"
        )
    seen = dict(_seen_before(folder))
    rank = get_args(Part)
    for name, part in read_split(folder.file(SPLIT)).items():
        if part in {"train", "val"} and name in contents:
            role: Part = "train" if part == "train" else "picked" if picked else "val"
            image = contents[name].image
            seen[image] = min(role, seen.get(image, role), key=rank.index)
    return seen


def _seen_before(folder: RunFolder) -> dict[str, Part]:
    """The images that the first weights of a run have seen; none for a run that began anew."""
    file = folder.file(SEEN)
    if not file.is_file():
        return {}
    with file.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))[1:]
    return {image: part for image, part in rows if part in get_args(Part)}  # type: ignore[misc]


def _compare(
    seen: Mapping[str, Part],
    dataset: Dataset,
    groups: Rows,
    split: Split,
    other: ExperimentSpec,
    white: int | None,
) -> Comparison:
    """Count the groups of the validation and test part with an image that has been seen."""
    here = set(dataset.image_hashes)
    elsewhere = {image: part for image, part in seen.items() if image not in here}
    rows_by_part = {
        part: [i for i, image in enumerate(dataset.image_hashes) if seen.get(image) == part]
        for part in get_args(Part)
    }
    missing = len(elsewhere)
    why = ""
    if elsewhere:
        try:
            relatives, missing = _relatives(elsewhere, dataset, other, white)
        except UserError as error:  # the data of that run are no longer there
            why = public(error.lines[0])
        else:
            rows_by_part = {part: rows_by_part[part] + relatives[part] for part in rows_by_part}
            why = f"{missing} are no longer in its data" if missing else ""
    counts = {
        name: {
            part: len(np.intersect1d(groups[rows], groups[np.array(own, np.int64)]))
            for part, own in rows_by_part.items()
        }
        for name, rows in (("val", split.val), ("test", split.test))
    }
    return Comparison(**counts, not_compared=missing, why=why)


def _relatives(
    elsewhere: Mapping[str, Part], dataset: Dataset, other: ExperimentSpec, white: int | None
) -> tuple[dict[Part, list[int]], int]:
    """Rows of the data set with a near-duplicate among images that are not in it.

    Args:
        elsewhere: Hash -> part of the images.
        dataset: Data set of the new run.
        other: Spec of the starting run, whose data hold the images.
        white: White level of the starting run.

    Returns:
        Part -> rows, and the number of images that its data no longer hold.

    Raises:
        UserError: Its data cannot be read.
    """
    data = read_run_data(other.data, white)
    first_rows: dict[str, int] = {}
    for row, image in enumerate(data.image_hashes):
        if image in elsewhere:
            first_rows.setdefault(image, row)
    if not first_rows:
        return {part: [] for part in get_args(Part)}, len(elsewhere)
    images = list(first_rows)
    own_rows = np.array([first_rows[image] for image in images], np.int64)
    groups, own_groups = joint_groups(dataset, select(data, own_rows))
    relatives: dict[Part, list[int]] = {}
    for part in get_args(Part):
        of_part = [i for i, image in enumerate(images) if elsewhere[image] == part]
        relatives[part] = np.flatnonzero(np.isin(groups, own_groups[of_part])).tolist()
    return relatives, len(elsewhere) - len(images)


def _refuse_shared(folder: RunFolder, comparison: Comparison) -> None:
    """Raise where evaluated images trained the starting run, picked its epoch or tuned it.

    Validation images of both may be the same: within one run, too, the validation part is what
    training is watched on. Test images have to be new to everything.
    """
    did = {"train": "trained it", "picked": "picked its epoch", "val": "validated it"}
    problems = [
        f"{_groups(count)} of the {name} part {did[part]}"
        for name, counts in (("val", comparison.val), ("test", comparison.test))
        for part, count in counts.items()
        if count and not (name == "val" and part == "val")
    ]
    if not problems:
        return
    only_picked = not comparison.val["train"] and not any(comparison.test.values())
    fix = (
        "take model.start_at=last, whose weights no image picked"
        if only_picked and not is_trial(folder.path.resolve())
        else f"take its split: split={{kind: file, path: {folder.path / SPLIT}}}, or another run"
    )
    raise UserError(
        f"model.start: {folder.path}: {', '.join(problems)}, so that scores would be too high; "
        f"{fix}"
    )


def _groups(count: int) -> str:
    return f"{count} group{'' if count == 1 else 's'} of near-duplicates"
