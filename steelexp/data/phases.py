"""The phases of a training: epochs whose tiles are cut in the same way."""

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from steelexp.data.dataset import DataError, Dataset
from steelexp.data.tiles import Tiling, tile_table
from steelexp.data.tiling import TILINGS, Tiles, coverage
from steelexp.spec.training_section import TilingSpec, TrainingSpec


@dataclass(frozen=True)
class Phase:
    """Epochs with the same tiles.

    Attributes:
        first: First epoch, counted from 1.
        last: Last epoch; training may end before.
        settings: Kind and settings of its tiling.
        tiling: Function that places tiles in an image.
        batch_size: Tiles in a batch.
        learning_rate_factor: Factor of the learning rate.
        tile_count: Number of training tiles per epoch.
        tile_size: Height and width of a tile in pixels.
        uncovered: Share of the training images' pixels in no tile of the first epoch.
    """

    first: int
    last: int
    settings: dict[str, Any]
    tiling: Tiling
    batch_size: int
    learning_rate_factor: float
    tile_count: int
    tile_size: tuple[int, int]
    uncovered: float

    @property
    def steps(self) -> int:
        """Number of steps per epoch."""
        return math.ceil(self.tile_count / self.batch_size)

    @property
    def summary(self) -> dict[str, Any]:
        """Kind and settings of the tiling; number of tiles, share of pixels in no tile."""
        return self.settings | {"tiles": self.tile_count, "uncovered": round(self.uncovered, 4)}


def training_phases(
    training: TrainingSpec,
    tiling: TilingSpec,
    dataset: Dataset,
    rows: npt.NDArray[np.int64],
    *,
    seed: int,
) -> tuple[Phase, ...]:
    """The phases of a training; a training without phases has one.

    Args:
        training: Training section of the spec.
        tiling: Tiling section of the spec.
        dataset: Data set.
        rows: [R] rows of the training images.
        seed: Seed of the run.

    Raises:
        DataError: Tiles do not fit the images.
    """
    phases = []
    first = 1
    for number, (section, epochs, batch_size, factor) in enumerate(_sections(training, tiling)):
        function: Tiling = section.bind(TILINGS)
        with _naming_phase(number if training.phases else None):
            table, size = tile_table(dataset, rows, function, seed=seed, epoch=first)
        phase = Phase(
            first=first,
            last=first + epochs - 1,
            settings={"kind": section.choice, **section.settings},
            tiling=function,
            batch_size=batch_size,
            learning_rate_factor=factor,
            tile_count=len(table),
            tile_size=size,
            uncovered=_uncovered(dataset, Tiles(size, table)),
        )
        phases.append(phase)
        first += epochs
    return tuple(phases)


@contextmanager
def _naming_phase(number: int | None) -> Iterator[None]:
    """Name the phase, from 0, in errors of its tiling; None where there are no phases."""
    try:
        yield
    except DataError as error:
        if number is None:
            raise
        place = f"training.phases[{number}].tiling"
        raise DataError(*(re.sub(r"^tiling\b", place, line) for line in error.lines)) from None


def phase_at(phases: Sequence[Phase], epoch: int) -> Phase:
    """The phase of an epoch, counted from 1."""
    return next(phase for phase in phases if epoch <= phase.last)


def _sections(
    training: TrainingSpec, tiling: TilingSpec
) -> Iterator[tuple[TilingSpec, int, int, float]]:
    """Tiling, epochs, batch size and factor of the learning rate of each phase."""
    if not training.phases:
        yield tiling, training.epochs, training.batch_size, 1.0
    for phase in training.phases:
        batch_size = phase.batch_size or training.batch_size
        yield phase.tiling, phase.epochs, batch_size, phase.learning_rate_factor


def _uncovered(dataset: Dataset, tiles: Tiles) -> float:
    """Share of the images' pixels in no tile.

    Args:
        dataset: Data set.
        tiles: Size, and [N, 3] row of the image, top and left of each tile. The tiles of an image
            are neighbours.
    """
    covered = 0
    total = 0
    table = tiles.corners
    first = np.flatnonzero(np.diff(table[:, 0], prepend=-1))
    for of_image in np.split(table, first[1:]):
        height, width = dataset.sizes[of_image[0, 0]].tolist()
        covered += int(coverage(height, width, Tiles(tiles.size, of_image[:, 1:])).sum())
        total += height * width
    return 1 - covered / total
