"""The one judge of all runs: whole validation strips, never resampled, augmented or tiled away."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.data import pipeline
from steelexp.data.strips import Strips
from steelexp.evaluation import overlays
from steelexp.evaluation.counts import Counts, dice, metrics
from steelexp.evaluation.strips import Prediction, tile_judge, whole_strip_judge
from steelexp.records.store import RunFolder
from steelexp.spec.schema import TrainingSpec


class Verdict(NamedTuple):
    """What a model is worth.

    Attributes:
        rows: [S] strip numbers.
        counts: [S, C] pixels each.
        metrics: "val_dice_positive", "val_dice_positive/1", ...
    """

    rows: npt.NDArray[np.int64]
    counts: Counts
    metrics: Mapping[str, float]


class Judge:
    """Judges a model, as it then is, on the validation strips.

    Args:
        model: grey -> logits.
        loss: (y_true, logits) -> [B].
        settings: threshold, batch size, number of overlays.
        strips: the data set.
        rows: [S] strips to judge on.
        tiling: of `val_loss` and `val_dice_batch`, which are defined on tiles.
        seed: of a random tiling.
    """

    def __init__(
        self,
        model: Any,
        loss: Any,
        settings: TrainingSpec,
        strips: Strips,
        rows: npt.NDArray[np.int64],
        tiling: pipeline.Tiling,
        seed: int,
    ) -> None:
        self.shown: tuple[int, ...] = ()
        if settings.overlays:
            self.shown = overlays.choose(strips.pixels, rows, count=settings.overlays)
        self._strips, self._rows, self._batch_size = strips, rows, settings.batch_size
        self._table, self._size = pipeline.tile_table(strips, rows, tiling, seed=seed)
        classes = len(strips.classes)
        self._on_strips = whole_strip_judge(model, classes, settings.threshold)
        self._on_tiles = tile_judge(model, classes, loss)

    def after_epoch(self, epoch: int, folder: RunFolder) -> Mapping[str, float]:
        """Every metric; the fixed strips are drawn into the run folder."""
        prediction, verdict = self._judge(frozenset(self.shown))
        for row in self.shown:
            self._draw(row, epoch, prediction.masks[row], folder)
        return verdict.metrics

    def verdict(self) -> Verdict:
        """The counts of every strip, and every metric."""
        return self._judge(frozenset())[1]

    def _judge(self, keep: frozenset[int]) -> tuple[Prediction, Verdict]:
        pixels = self._batch_size * self._size[0] * self._size[1]
        batches = pipeline.whole_strips(self._strips, self._rows, pixels=pixels)
        prediction = self._on_strips(batches, keep)
        tiles = pipeline.batches(self._strips, self._table, self._size, batch_size=self._batch_size)
        found = metrics(prediction.counts, self._strips.classes) | self._on_tiles(tiles)
        named = {f"val_{name}": value for name, value in found.items()}
        return prediction, Verdict(prediction.rows, prediction.counts, named)

    def _draw(self, row: int, epoch: int, mask: npt.NDArray[np.uint8], folder: RunFolder) -> None:
        name, truth, classes = self._strips.names[row], self._strips.mask(row), self._strips.classes
        title = overlays.caption(name, truth, mask, classes=classes, epoch=epoch)
        image = self._strips.image(row)
        picture = overlays.draw(image, truth, mask, classes=classes, title=title)
        path = folder.overlay(epoch, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)


def write_strip_scores(
    folder: Path, names: Sequence[str], classes: Sequence[str], verdict: Verdict
) -> Path:
    """One row a strip and class: what every metric and every comparison starts from.

    Columns: strip, class, tp, fp, fn (pixels), dice (1 where truth and prediction are empty).
    """
    import pyarrow as pa  # 0.1 s that --help and check need not pay
    from pyarrow import parquet

    counts = verdict.counts
    table = pa.table(
        {
            "strip": np.repeat([names[row] for row in verdict.rows], len(classes)),
            "class": np.tile(list(classes), len(verdict.rows)),
            "tp": counts.tp.ravel(),
            "fp": counts.fp.ravel(),
            "fn": counts.fn.ravel(),
            "dice": dice(counts).ravel(),
        }
    )
    path, beside = folder / "strips.parquet", folder / ".strips.parquet"
    parquet.write_table(table, beside)
    return beside.replace(path)
