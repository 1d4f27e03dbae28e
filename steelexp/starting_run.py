"""The run whose weights another run starts with: what it was, and which images it has seen.

Scores on images that trained the starting run, picked its epoch or tuned it would be too high. So
its training and validation images are compared with the validation and test part of the new run, by
content and as near-duplicates. The images of the runs before it count as its own: each run that
starts with another one writes the images that its weights have seen into `starting_images.SEEN`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from steelexp.data.dataset import Dataset
from steelexp.data.splits.split import Rows, Split, split_digest
from steelexp.errors import UserError
from steelexp.records.record import Record
from steelexp.records.store import RunFolder, is_run_folder
from steelexp.report.tables import is_trial
from steelexp.spec import ExperimentSpec, load
from steelexp.spec.effects import effective_settings, is_part_of
from steelexp.spec.schema import ModelSpec
from steelexp.starting_images import (
    FILE,
    Comparison,
    Part,
    compare_images,
    facts_text,
    groups_in_words,
    hash_weights,
    named_run,
    recorded_facts,
    refuse_shared,
    seen_before,
    seen_images,
    weights_file,
)
from steelexp.training import checkpoint

_GOES_ON_WITH = ("training.epochs", "training.early_stopping_patience")
"""Settings that may differ where a run goes on with the epochs of another."""


class Start(BaseModel):
    """The run whose weights another run starts with.

    Attributes:
        folder: Its folder.
        digest: Its digest.
        weights: Hash of the weights that are taken.
        take: Share of the weights that is taken: all, or the encoder's.
        at: The epoch that they are of: the best, the last, or the last with all before it.
        epoch: Number of that epoch.
        classes: Its classes, in the order of its output.
        comparison: Its images in the validation and test part.
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
        return weights_file(RunFolder(Path(self.folder)), self.at)

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
    is_there = is_run_folder(Path(model.start))
    if not is_there and own is not None and (recorded := recorded_facts(own, FILE, Start)):
        return recorded, seen_before(own)
    folder = named_run("model.start", model.start)
    record = folder.finished_record()
    other: ExperimentSpec = load(folder.file("spec.yaml"), model=type(spec))
    _check_network(spec, other, folder)
    if model.start_at == "continue":
        _check_continuation(spec, other, folder, record, dataset, split)
    seen = seen_images(folder, picked=model.start_at == "best" or is_trial(folder.path.resolve()))
    comparison = compare_images(seen, dataset, groups, split, other, record.white)
    refuse_shared(folder, comparison, best=model.start_at == "best")
    start = Start(
        folder=str(folder.path),
        digest=record.digest,
        weights=hash_weights("model.start", folder, record.digest, model.start_at),
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
            f"{groups_in_words(shared)} of the val part validated that run as well; both trainings "
            "were watched on them."
        )
    if compared.not_compared:
        lines.append(
            f"{compared.not_compared} images that it has seen are compared by content alone, "
            f"without their near-duplicates ({compared.why})."
        )
    return lines


def start_texts(start: Start) -> dict[str, str]:
    """The file of a run folder about its starting run."""
    return {FILE: facts_text(start)}


def _check_network(spec: ExperimentSpec, other: ExperimentSpec, folder: RunFolder) -> None:
    """Raise where the networks have other weights, or weights of images scaled in another way."""
    model = spec.model
    assert isinstance(model, ModelSpec)
    now = {"architecture": model.choice, **model.settings}
    before = {"architecture": other.model.choice, **other.model.settings}
    own = ("weights", "resolution", "batch_norm_momentum")
    of_encoder = ["backbone", "scaling"]
    keys = of_encoder if model.start_weights == "encoder" else [k for k in now if k not in own]
    wrong = [key for key in keys if now.get(key) != before.get(key)]
    if not wrong:
        return
    settings = ", ".join(f"model.{key}={before.get(key)}" for key in wrong)
    fix = ", or model.start_weights=encoder" if set(wrong).isdisjoint(of_encoder) else ""
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
    if spec.data.unlabelled is not None or other.data.unlabelled is not None:
        raise UserError(
            f"{where} takes no images without labels (data.unlabelled); take model.start_at=last"
        )
    # What a run began with is in its weights.
    began = ("model.weights", "model.start", "model.start_weights", "model.start_at")
    ignored = ("data", "split", *began, *_GOES_ON_WITH)
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
    patience = spec.training.early_stopping_patience
    if patience is not None and record.epochs - record.best_epoch >= patience:
        waited = record.epochs - record.best_epoch
        raise UserError(
            f"{where}: it stopped early, {waited} epochs after its best one; raise "
            f"training.early_stopping_patience above {waited}, or set it to null"
        )
