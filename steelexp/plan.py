"""What a spec comes to on its data, before anything is trained."""

import functools
import hashlib
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from steelexp.data import pipeline
from steelexp.data.augment import AUGMENTATIONS, Augmentation
from steelexp.data.cache import cache_root, cached, duplicate_groups
from steelexp.data.fold import Fold, described, split_digest
from steelexp.data.sampling import SAMPLERS
from steelexp.data.sources import SOURCES
from steelexp.data.split import SPLITS
from steelexp.data.strips import DataError, Strips
from steelexp.data.tiles import Tiling, tile_draw, tile_table
from steelexp.data.tiling import TILINGS, coverage
from steelexp.data.variant import first_of_each, long_tailed, select
from steelexp.model.class_weights import CLASS_WEIGHTS, Weights, occurrence
from steelexp.model.losses import LOSSES
from steelexp.model.optimizers import OPTIMIZERS
from steelexp.model.unet import ARCHITECTURES
from steelexp.records.store import RunFolder
from steelexp.search.tuners import TUNERS
from steelexp.spec import ExperimentSpec, Registry, digest, experiment_model
from steelexp.tracking.trackers import TRACKERS

COMPONENTS: dict[str, Registry] = {
    "data": SOURCES,
    "split": SPLITS,
    "tiling": TILINGS,
    "sampling": SAMPLERS,
    "augment": AUGMENTATIONS,
    "model": ARCHITECTURES,
    "loss": LOSSES,
    "warm_up": LOSSES,
    "class_weights": CLASS_WEIGHTS,
    "optimizer": OPTIMIZERS,
    "tracking": TRACKERS,
    "search.tuner": TUNERS,
}

MODEL = experiment_model(COMPONENTS)
"""What `spec.load` checks a file against."""


@dataclass(frozen=True)
class Plan:
    """A spec and the data it is about; nothing is trained yet.

    Attributes:
        spec: resolved.
        strips: the data set.
        groups: [S] group of near-duplicates of each strip.
        fold: strip numbers that train, tune and test.
        tiling: where tiles are cut.
        chain: augmentations, in their order.
        class_weights: [C], mean one; None where all classes count alike.
        tile_count: training tiles an epoch.
        tile_size: height and width in pixels.
        uncovered: share of the training strips' pixels that no tile of an epoch shows.
        digest: names the run.
        folder: where it goes.
    """

    spec: ExperimentSpec
    strips: Strips
    groups: npt.NDArray[np.int64]
    fold: Fold
    tiling: Tiling
    chain: Sequence[Augmentation]
    class_weights: Weights | None
    tile_count: int
    tile_size: tuple[int, int]
    uncovered: float
    digest: str
    folder: RunFolder

    @property
    def steps(self) -> int:
        """Optimizer steps an epoch."""
        return -(-self.tile_count // self.spec.training.batch_size)

    @property
    def judged(self) -> tuple[str, int]:
        """The part that is reported, and its strips."""
        return (
            ("test", len(self.fold.test)) if len(self.fold.test) else ("tune", len(self.fold.tune))
        )

    @property
    def classes(self) -> int:
        """C."""
        return len(self.strips.classes)

    @functools.cached_property
    def split(self) -> dict[str, Any]:
        """What trains, tunes and tests: strips per class, hash, leak."""
        kind = {"kind": self.spec.split.chosen, **self.spec.split.settings}
        return kind | {"parts": described(self.strips, self.fold, self.groups)}

    @property
    def tiles(self) -> dict[str, Any]:
        """What training sees, and what it never sees."""
        return {
            "kind": self.spec.tiling.chosen,
            **self.spec.tiling.settings,
            "tiles": self.tile_count,
            "uncovered": round(self.uncovered, 4),
        }


def prepare(spec: ExperimentSpec, runs: Path) -> Plan:
    """Read the data set's tables and check that the spec can be obeyed on it.

    Raises:
        DataError, ClassWeightsError: the data set is missing or wrong, or the spec does not fit it.
    """
    opened: Strips = spec.data.bind(SOURCES)()
    decoded = cached(opened, spec.data.cache, cache_root())
    grouped = duplicate_groups(decoded, cache_root())
    rows = first_of_each(grouped) if spec.data.copies == "one" else np.arange(len(decoded))
    strips, groups = select(decoded, rows), grouped[rows]
    dealt: Fold = spec.split.bind(SPLITS)(strips, groups)
    fold = long_tailed(strips, groups, dealt, spec.data.keep, seed=spec.data.keep_seed)
    _expect_defects(strips, fold)
    _expect_donors(spec, strips, fold)
    tiling, chain = spec.tiling.bind(TILINGS), spec.augment.bind(AUGMENTATIONS)
    table, size = tile_table(strips, fold.train, tiling, seed=spec.seed, epoch=1)
    pipeline.try_out(strips.classes, size, chain)
    name = digest(
        spec,
        data=strips.manifest,
        split=split_digest(strips, fold),
        weights=_weights_digest(spec),
    )
    return Plan(
        spec=spec,
        strips=strips,
        groups=groups,
        fold=fold,
        tiling=tiling,
        chain=chain,
        class_weights=_class_weights(spec, strips, fold),
        tile_count=len(table),
        tile_size=size,
        uncovered=_uncovered(strips, fold.train, tiling, spec.seed),
        digest=name,
        folder=RunFolder(runs / spec.name / name),
    )


def _class_weights(spec: ExperimentSpec, strips: Strips, fold: Fold) -> Weights | None:
    """Weights of the classes, from the training strips; refused by a loss that takes none."""
    kind, loss = spec.class_weights, spec.loss
    if kind.chosen == "equal":
        return None
    if loss.chosen not in (takers := weighted_losses()):
        raise DataError(
            f"class_weights.kind: {kind.chosen}: the loss {loss.chosen} takes no class weights; "
            f"those that do: {', '.join(takers)}"
        )
    rows = fold.train
    weights: Weights = kind.bind(CLASS_WEIGHTS)(occurrence(strips.pixels[rows], strips.sizes[rows]))
    return weights


def weighted_losses() -> list[str]:
    """The losses that take class weights."""
    return [
        name for name, f in LOSSES.items() if "class_weights" in inspect.signature(f).parameters
    ]


def _expect_donors(spec: ExperimentSpec, strips: Strips, fold: Fold) -> None:
    """Classes that are to be pasted have to occur in training; others are the chain's to refuse."""
    pasted = spec.augment.model_dump().get("copy_paste", {}).get("classes") or ()
    held = strips.pixels[fold.train].sum(axis=0).tolist()
    absent = [c for c, count in zip(strips.classes, held, strict=True) if c in pasted and not count]
    if absent:
        raise DataError(
            f"augment.copy_paste.classes: no training strip holds {', '.join(absent)}; leave it "
            "out, or take more strips or another split"
        )


def _expect_defects(strips: Strips, fold: Fold) -> None:
    for part, rows in (("tune", fold.tune), ("test", fold.test)):
        if len(rows) and not strips.pixels[rows].any():
            raise DataError(
                f"split: none of the {len(rows)} {part} strips holds a defect, so nothing can be "
                "judged; take more strips or another split.seed"
            )


def _weights_digest(spec: ExperimentSpec) -> str | None:
    """sha256 of the file that model.weights names, if it is a file."""
    path = Path(str(spec.model.settings.get("weights")))
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _uncovered(strips: Strips, rows: npt.NDArray[np.int64], tiling: Tiling, seed: int) -> float:
    """Share of the strips' pixels that no tile of the first epoch shows."""
    seen = total = 0
    for row in rows.tolist():
        height, width = strips.sizes[row].tolist()
        tiles = tiling(height, width, tile_draw(seed, 1, row))
        seen += int(coverage(height, width, tiles).sum())
        total += height * width
    return 1 - seen / total
