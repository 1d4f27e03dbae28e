"""Runs as a page shows them, finished or not, whole or damaged."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ValidationError

from steelexp.errors import UserError, reason
from steelexp.metric_names import classes_of, full_name, reported_part
from steelexp.records.evaluation_report import EvaluationReport, read_evaluation_report
from steelexp.records.record import Record
from steelexp.records.store import Epoch, RunFolder, read_epochs
from steelexp.spec import ExperimentSpec, read_resolved
from steelexp.spec.roots import named_roots

T = TypeVar("T")
Model = TypeVar("Model", bound=BaseModel)


class Leak(BaseModel):
    """Leak of a split.

    Attributes:
        groups: Number of groups of near-duplicates that lie in more than one part.
    """

    groups: int


class SplitParts(BaseModel):
    """The parts of a record's split, as far as a page shows them.

    Attributes:
        train: Number of training images.
        val: Number of validation images.
        test: Number of test images.
        digest: Digest of the split.
        leak: Near-duplicates across the parts.
        images_per_class: Part -> class -> number of images that hold the class.
    """

    train: int
    val: int
    test: int
    digest: str
    leak: Leak
    images_per_class: dict[str, dict[str, int]] = {}


class Source(BaseModel):
    """Another run that a run started with, or that labelled images for it, in words."""

    lines: tuple[str, ...] = ()


class Provenance(BaseModel):
    """The provenance of a record, as far as a page shows it."""

    commit: str = ""
    branch: str = ""
    dirty: bool | None = None
    git_unknown: str = ""
    version: str = ""
    source: str = ""
    python: str = "?"
    platform: str = ""
    processor: str = ""
    packages: dict[str, str | None] = {}
    start: Source | None = None
    unlabelled: Source | None = None


@dataclass(frozen=True)
class Run:
    """One run folder, as far as it can be read.

    Attributes:
        folder: Run folder.
        spec: Spec; None where spec.yaml cannot be read.
        record: Record; None before the run is finished, and where it cannot be read.
        parts: Parts of the record's split.
        provenance: Provenance of the record; empty without a readable record.
        problems: Files that cannot be read, a sentence each.

    Epochs and evaluation are read when a page shows them, which of thousands of runs it does not.
    """

    folder: RunFolder
    spec: ExperimentSpec | None
    record: Record | None
    parts: SplitParts | None
    provenance: Provenance
    problems: tuple[str, ...]

    @cached_property
    def epochs(self) -> tuple[Epoch, ...]:
        """Finished epochs; none where they cannot be read."""
        return self.read_epochs()

    def read_epochs(self) -> tuple[Epoch, ...]:
        """The epochs, which are not kept in memory."""
        return tuple(_attempt(lambda: _epochs(self.folder, self.record), []) or ())

    @cached_property
    def evaluation(self) -> EvaluationReport | None:
        """Evaluation report; None where there is none, or it cannot be read."""
        return _attempt(lambda: _evaluation(self.folder, self.record), [])

    @property
    def name(self) -> str:
        """Name of the spec or the record; without both, the name of the parent folder."""
        source = self.spec or self.record
        return source.name if source else self._place.parent.name

    @property
    def digest(self) -> str:
        """Digest, the name of the folder."""
        return self._place.name

    @property
    def label(self) -> str:
        """Name and digest."""
        return f"{self.name} {self.digest}"

    @cached_property
    def anchor(self) -> str:
        """HTML id of the section of the run."""
        return f"run-{hashlib.sha256(str(self._place).encode()).hexdigest()[:10]}"

    @cached_property
    def _place(self) -> Path:
        return self.folder.path.resolve()

    @property
    def seed(self) -> int | None:
        """Seed of the spec."""
        return self.spec.seed if self.spec else None

    @property
    def status(self) -> str:
        """finished, unfinished or damaged."""
        if self.record is not None:
            return "finished"
        return "damaged" if self.problems else "unfinished"

    @cached_property
    def reported_part(self) -> Literal["test", "val"]:
        """Part of the split whose metrics are reported."""
        return reported_part(self.record.metrics if self.record else ())

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes in their order."""
        last = self.epochs[-1].metrics if self.epochs else {}
        return classes_of(self.record.metrics if self.record else last)

    @property
    def images(self) -> int | None:
        """Number of images of the reported part."""
        return getattr(self.parts, self.reported_part) if self.parts else None

    @property
    def data(self) -> str:
        """Data source of the spec and name of its folder."""
        if self.spec is None:
            return ""
        roots = named_roots(self.spec.data.settings.get("root", "")).values()
        return f"{self.spec.data.choice} {', '.join(Path(root).name for root in roots)}".strip()

    @property
    def best_epoch(self) -> int | None:
        """Epoch of the best weights."""
        return self.record.best_epoch if self.record else None

    def interval(self, metric: str, label: str | None = None) -> tuple[float, float] | None:
        """95 % interval of a reported metric; None where there is none."""
        name = full_name(metric, None, label)
        return self.evaluation.intervals.get(name) if self.evaluation else None

    def post_interval(self, metric: str, label: str | None = None) -> tuple[float, float] | None:
        """95 % interval of a post-processed metric; None where there is none."""
        name = full_name(metric, None, label)
        return self.evaluation.post_intervals.get(name) if self.evaluation else None

    @property
    def no_interval(self) -> dict[str, list[str]]:
        """Reported metrics without an interval, by the reason."""
        names: dict[str, list[str]] = {}
        for name, why in (self.evaluation.no_interval if self.evaluation else {}).items():
            names.setdefault(why, []).append(name)
        return names

    def metric(self, metric: str, label: str | None = None) -> float | None:
        """A reported metric, of a class or of all; None where there is none."""
        metrics = self.record.metrics if self.record else {}
        return metrics.get(full_name(metric, self.reported_part, label))

    def post_metric(self, metric: str, label: str | None = None) -> float | None:
        """A metric after post-processing; None where there is none."""
        metrics = self.record.metrics if self.record else {}
        return metrics.get(full_name(metric, "test_post", label))


def read_run(folder: RunFolder) -> Run:
    """Read a run as far as possible; files that cannot be read are among its problems."""
    problems: list[str] = []
    record = _attempt(lambda: folder.record, problems)
    parts = None
    provenance = None
    if record is not None:
        split = record.split.get("parts")
        parts = _attempt(lambda: _validate(folder, SplitParts, "split.parts", split), problems)
        provenance = _attempt(
            lambda: _validate(folder, Provenance, "provenance", record.provenance), problems
        )
    spec = _attempt(lambda: read_resolved(folder.file("spec.yaml")), problems)
    _attempt(lambda: _epochs(folder, record), problems)
    _attempt(lambda: _evaluation(folder, record), problems)
    return Run(
        folder=folder,
        spec=spec,
        record=record if parts else None,  # a page cannot show a record without its split
        parts=parts,
        provenance=provenance or Provenance(),
        problems=tuple(dict.fromkeys(problems)),  # a damaged run.json stops several from reading
    )


def _evaluation(folder: RunFolder, record: Record | None) -> EvaluationReport | None:
    return read_evaluation_report(folder.path, record.files if record else {})


def _epochs(folder: RunFolder, record: Record | None) -> list[Epoch]:
    """The epochs, also where the record cannot be read."""
    return read_epochs(folder.path) if record is None else folder.epochs


def _attempt(read: Callable[[], T], problems: list[str]) -> T | None:
    """Read something; None and one more problem where it cannot be read."""
    try:
        return read()
    except UserError as error:
        problems.append(" ".join(str(error).split()))
        return None


def _validate(folder: RunFolder, model: type[Model], where: str, values: object) -> Model:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise UserError(
            f"{folder.path / 'record.json'}: {where}.{reason(error)}; run the spec again with "
            "--fresh"
        ) from None
