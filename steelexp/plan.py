"""A spec resolved against its data set: split, tiles, class weights, run folder."""

import functools
import hashlib
import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from steelexp.data import pipeline
from steelexp.data.augment import AUGMENTATIONS, Augmentation
from steelexp.data.cache import cache_images
from steelexp.data.cache_root import cache_root
from steelexp.data.dataset import DataError, Dataset
from steelexp.data.duplicates.groups import duplicate_groups
from steelexp.data.exclusion import exclude
from steelexp.data.phases import Phase, phase_at, training_phases
from steelexp.data.sampling import SAMPLERS
from steelexp.data.sources import LOADERS
from steelexp.data.splits.extension import SplitFile, compare_with_file
from steelexp.data.splits.kinds import SPLITS
from steelexp.data.splits.split import Split, describe_split, split_digest
from steelexp.data.tiles import Tiling
from steelexp.data.tiling import TILINGS
from steelexp.data.variant import first_of_each_group, select, thin_training
from steelexp.data.white_level import set_white_level
from steelexp.errors import explain_read_errors
from steelexp.limits import WEIGHTS_BYTES
from steelexp.model.architectures import ARCHITECTURES
from steelexp.model.class_weights import CLASS_WEIGHTS, Weights, count_classes
from steelexp.model.classification_head import HEADS
from steelexp.model.losses import LOSSES
from steelexp.model.optimizers import OPTIMIZERS
from steelexp.plan_checks import (
    check_defects,
    check_donors,
    check_head,
    check_positive_weights,
    check_unlabelled,
)
from steelexp.records.store import RunFolder
from steelexp.regular_file import read_regular
from steelexp.search.tuners import TUNERS
from steelexp.spec import ExperimentSpec, Registry, digest, experiment_model
from steelexp.starting_images import Part, all_seen
from steelexp.starting_run import Start, starting_run
from steelexp.tracking.trackers import TRACKERS
from steelexp.training.averaging import AVERAGES
from steelexp.training.schedules import SCHEDULES
from steelexp.unlabelled import LabelledImages, Unlabelled, unlabelled_of

COMPONENTS: dict[str, Registry] = {
    "data": LOADERS,
    "split": SPLITS,
    "tiling": TILINGS,
    "sampling": SAMPLERS,
    "augment": AUGMENTATIONS,
    "model": ARCHITECTURES,
    "head": HEADS,
    "loss": LOSSES,
    "loss_warm_up": LOSSES,
    "class_weights": CLASS_WEIGHTS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "averaging": AVERAGES,
    "tracking": TRACKERS,
    "search.tuner": TUNERS,
}

SpecModel = experiment_model(COMPONENTS)
"""The model that spec files are checked with."""


@dataclass(frozen=True)
class Plan:
    """A spec and its data set, before training; S images, C classes.

    Attributes:
        spec: The resolved spec.
        dataset: Data set.
        groups: [S] number of each image's group of near-duplicates.
        split: Numbers of the training, validation and test images.
        split_file: File that the split was read from; None for a split of another kind.
        tiling: Function that places the tiles of the validation on tiles, and of the training
            where it has no phases of its own.
        phases: Phases of the training, one at least.
        augmentations: Augmentations in the order of application.
        class_weights: [C] weights of mean one; None for equal weights.
        initial_weights: sha256 of the file of initial weights; None without a file.
        start: Run whose weights training starts with; None without one.
        unlabelled: Images without labels and their teacher; None without such.
        seen: Hash of each image that the weights or the teacher have seen, or that the teacher
            labels -> its part.
        digest: Digest of the run, the name of its folder.
        folder: Run folder.
    """

    spec: ExperimentSpec
    dataset: Dataset
    groups: npt.NDArray[np.int64]
    split: Split
    split_file: SplitFile | None
    tiling: Tiling
    phases: tuple[Phase, ...]
    augmentations: Sequence[Augmentation]
    class_weights: Weights | None
    initial_weights: str | None
    start: Start | None
    unlabelled: Unlabelled | None
    seen: Mapping[str, Part]
    digest: str
    folder: RunFolder

    def phase(self, epoch: int) -> Phase:
        """The phase of an epoch, counted from 1."""
        return phase_at(self.phases, epoch)

    @property
    def tile_count(self) -> int:
        """Number of training tiles per epoch, in the first phase."""
        return self.phases[0].tile_count

    @property
    def tile_size(self) -> tuple[int, int]:
        """Height and width of a training tile in pixels, in the first phase."""
        return self.phases[0].tile_size

    @property
    def uncovered(self) -> float:
        """Share of the training images' pixels in no tile of the first epoch."""
        return self.phases[0].uncovered

    @property
    def steps(self) -> int:
        """Number of optimizer steps per epoch, in the first phase."""
        return math.ceil(self.phases[0].steps / self.spec.training.accumulate)

    @property
    def trains_with_ignored(self) -> bool:
        """Whether masks of training tiles have bit C; pseudo-labels have it in every data set."""
        return self.dataset.has_ignore or self.unlabelled is not None

    @property
    def reported_part(self) -> tuple[str, int]:
        """The part of the split that is reported, and its number of images."""
        return (
            ("test", len(self.split.test)) if len(self.split.test) else ("val", len(self.split.val))
        )

    @property
    def class_count(self) -> int:
        """Number of classes."""
        return len(self.dataset.classes)

    @functools.cached_property
    def split_summary(self) -> dict[str, Any]:
        """Kind and settings of the split; images per class, hash and leaks of its parts."""
        kind = {"kind": self.spec.split.choice, **self.spec.split.settings}
        kind |= {} if self.split_file is None else self.split_file.summary
        return kind | {"parts": describe_split(self.dataset, self.split, self.groups)}

    @property
    def tiling_summary(self) -> dict[str, Any]:
        """Kind and settings of the tiling; number of tiles, share of pixels in no tile.

        With phases, the tiling is that of the validation, and each phase has its own.
        """
        if not self.spec.training.phases:
            return self.phases[0].summary
        phases = [
            phase.summary
            | {
                "epochs": [phase.first, phase.last],
                "batch_size": phase.batch_size,
                "learning_rate_factor": phase.learning_rate_factor,
            }
            for phase in self.phases
        ]
        return {"kind": self.spec.tiling.choice, **self.spec.tiling.settings, "phases": phases}


def prepare(spec: ExperimentSpec, runs: Path, *, own: RunFolder | None = None) -> Plan:
    """Resolve a spec against its data set.

    Args:
        spec: The resolved spec.
        runs: Folder of the run folders.
        own: Folder of the run, if it has begun; it knows the run that it started with.

    Raises:
        UserError: The data set is missing or wrong, or the spec does not fit it.
    """
    source = load_dataset(spec)
    cached = cache_images(source, spec.data.cache, cache_root())
    all_groups = duplicate_groups(cached, cache_root())
    rows = first_of_each_group(all_groups) if spec.data.deduplicate else np.arange(len(cached))
    dataset = select(cached, rows)
    groups = all_groups[rows]
    full_split: Split = spec.split.bind(SPLITS)(dataset, groups)
    split_file = None
    if spec.split.choice == "file":
        split_file = compare_with_file(spec.split.settings, dataset, full_split)
    thinned = thin_training(dataset, groups, full_split, spec.data)
    split = exclude(dataset, thinned, spec.data.exclude, source.names)
    check_positive_weights(spec, dataset)
    check_defects(dataset, split)
    check_donors(spec, dataset, split)
    tiling = spec.tiling.bind(TILINGS)
    augmentations = spec.augment.bind(AUGMENTATIONS)
    phases = training_phases(spec.training, spec.tiling, dataset, split.train, seed=spec.seed)
    for phase in phases:
        pipeline.check_augmentations(dataset.classes, phase.tile_size, augmentations)
    check_head(spec, phases)
    start, seen = starting_run(spec, dataset, groups, split, own=own) or (None, {})
    labelled = LabelledImages(dataset, groups, split, cached, all_groups)
    unlabelled = unlabelled_of(spec, labelled, own=own)
    if unlabelled is not None:
        check_unlabelled(unlabelled, phases)
        seen = all_seen(seen, unlabelled.seen)
    initial_weights = None if start else _weights_digest(spec)
    run_digest = digest(
        spec,
        data=dataset.manifest,
        split=split_digest(dataset, split),
        weights=initial_weights,
        start=start.identity if start else None,
        unlabelled=unlabelled.facts.identity if unlabelled else None,
    )
    return Plan(
        spec=spec,
        dataset=dataset,
        groups=groups,
        split=split,
        split_file=split_file,
        tiling=tiling,
        phases=phases,
        augmentations=augmentations,
        class_weights=_class_weights(spec, dataset, split),
        initial_weights=initial_weights,
        start=start,
        unlabelled=unlabelled,
        seen=seen,
        digest=run_digest,
        folder=RunFolder(runs / spec.name / run_digest),
    )


def load_dataset(spec: ExperimentSpec) -> Dataset:
    """The data set that a spec names, with its white level; images are not decoded yet.

    Raises:
        DataError: The data set is missing or wrong.
    """
    dataset: Dataset = spec.data.bind(LOADERS)()
    return set_white_level(dataset, spec.data.grey.white)


def _class_weights(spec: ExperimentSpec, dataset: Dataset, split: Split) -> Weights | None:
    """Class weights from the training images; an error if the loss takes none."""
    kind = spec.class_weights
    loss = spec.loss
    if kind.choice == "equal":
        return None
    if loss.choice not in (takers := weighted_losses()):
        raise DataError(
            f"class_weights.kind: {kind.choice}: the loss {loss.choice} takes no class weights; "
            f"those that do: {', '.join(takers)}"
        )
    rows = split.train
    weights: Weights = kind.bind(CLASS_WEIGHTS)(
        count_classes(dataset.pixels[rows], dataset.sizes[rows])
    )
    return weights


def weighted_losses() -> list[str]:
    """The losses that take class weights."""
    return [
        name for name, f in LOSSES.items() if "class_weights" in inspect.signature(f).parameters
    ]


def _weights_digest(spec: ExperimentSpec) -> str | None:
    """sha256 of the file of initial weights, model.weights; None if that is not a file."""
    path = Path(str(spec.model.settings.get("weights")))
    if not path.is_file():
        return None
    with explain_read_errors(path, "choose another file with model.weights"):
        return hashlib.sha256(read_regular(path, WEIGHTS_BYTES)).hexdigest()
