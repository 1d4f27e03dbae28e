"""What a spec comes to on its data, before anything is trained."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from steelexp.data import pipeline
from steelexp.data.sampling import SAMPLERS
from steelexp.data.sources import SOURCES
from steelexp.data.split import SPLITS, Fold
from steelexp.data.strips import DataError, Strips
from steelexp.data.tiling import TILINGS, coverage
from steelexp.model.losses import LOSSES
from steelexp.model.optimizers import OPTIMIZERS
from steelexp.model.unet import ARCHITECTURES
from steelexp.records.store import RunFolder
from steelexp.spec import ExperimentSpec, Registry, digest, experiment_model
from steelexp.tracking.trackers import TRACKERS

COMPONENTS: dict[str, Registry] = {
    "data": SOURCES,
    "split": SPLITS,
    "tiling": TILINGS,
    "sampling": SAMPLERS,
    "model": ARCHITECTURES,
    "loss": LOSSES,
    "optimizer": OPTIMIZERS,
    "tracking": TRACKERS,
}

MODEL = experiment_model(COMPONENTS)
"""What `spec.load` checks a file against."""


@dataclass(frozen=True)
class Plan:
    """A spec and the data it is about; nothing is trained yet.

    Attributes:
        spec: resolved.
        strips: the data set.
        fold: strip numbers that train and that judge.
        tiling: where tiles are cut.
        tile_count: training tiles an epoch.
        tile_size: height and width in pixels.
        uncovered: share of the training strips' pixels that no tile of an epoch shows.
        digest: names the run.
        folder: where it goes.
    """

    spec: ExperimentSpec
    strips: Strips
    fold: Fold
    tiling: pipeline.Tiling
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
    def classes(self) -> int:
        """C."""
        return len(self.strips.classes)

    @property
    def split(self) -> dict[str, Any]:
        """What trains and what judges, with strips per class."""
        parts = {"train": self.fold.train, "validation": self.fold.validation}
        return {
            "kind": self.spec.split.chosen,
            **self.spec.split.settings,
            **{name: len(rows) for name, rows in parts.items()},
            "strips_per_class": {
                name: dict(zip(self.strips.classes, self._held(rows), strict=True))
                for name, rows in parts.items()
            },
        }

    @property
    def tiles(self) -> dict[str, Any]:
        """What training sees, and what it never sees."""
        return {
            "kind": self.spec.tiling.chosen,
            **self.spec.tiling.settings,
            "tiles": self.tile_count,
            "uncovered": round(self.uncovered, 4),
        }

    def _held(self, rows: npt.NDArray[np.int64]) -> list[int]:
        """Strips that hold each class."""
        held: list[int] = (self.strips.pixels[rows] > 0).sum(axis=0).tolist()
        return held


def prepare(spec: ExperimentSpec, runs: Path) -> Plan:
    """Read the data set's tables and check that the spec can be obeyed on it.

    Raises:
        DataError: the data set is missing or wrong, or the spec does not fit it.
    """
    strips: Strips = spec.data.bind(SOURCES)()
    fold: Fold = spec.split.bind(SPLITS)(len(strips))
    tiling = spec.tiling.bind(TILINGS)
    table, size = pipeline.tile_table(strips, fold.train, tiling, seed=spec.seed, epoch=1)
    if not strips.pixels[fold.validation].any():
        raise DataError(
            f"split: none of the {len(fold.validation)} validation strips holds a defect, so "
            "nothing can be judged; take more strips or another split.seed"
        )
    name = digest(spec, data=strips.manifest, weights=_weights_digest(spec))
    return Plan(
        spec=spec,
        strips=strips,
        fold=fold,
        tiling=tiling,
        tile_count=len(table),
        tile_size=size,
        uncovered=_uncovered(strips, fold.train, tiling, spec.seed),
        digest=name,
        folder=RunFolder(runs / spec.name / name),
    )


def _weights_digest(spec: ExperimentSpec) -> str | None:
    """sha256 of the file that model.weights names, if it is a file."""
    path = Path(str(spec.model.settings.get("weights")))
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _uncovered(
    strips: Strips, rows: npt.NDArray[np.int64], tiling: pipeline.Tiling, seed: int
) -> float:
    """Share of the strips' pixels that no tile of the first epoch shows."""
    seen = total = 0
    for row in rows.tolist():
        height, width = strips.sizes[row].tolist()
        tiles = tiling(height, width, pipeline.tile_draw(seed, 1, row))
        seen += int(coverage(height, width, tiles).sum())
        total += height * width
    return 1 - seen / total
