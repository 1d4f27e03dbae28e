"""The one judge of all runs: whole strips, never resampled, augmented or tiled away."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.data import pipeline
from steelexp.data.fold import Fold
from steelexp.data.strips import Strips
from steelexp.data.tiles import Tiling, tile_table
from steelexp.evaluation import overlays
from steelexp.evaluation.counts import Counts, dice, metrics
from steelexp.evaluation.strips import Prediction, tile_judge, whole_strip_judge
from steelexp.records.store import RunFolder
from steelexp.spec.schema import TrainingSpec


class Verdict(NamedTuple):
    """What a model is worth.

    Attributes:
        parts: [S] "tune" or "test".
        rows: [S] strip numbers.
        counts: [S, C] pixels each.
        metrics: "val_dice_positive", "val_dice_positive/1", ... of the tune strips, "test_..." of
            the test strips.
    """

    parts: Sequence[str]
    rows: npt.NDArray[np.int64]
    counts: Counts
    metrics: Mapping[str, float]


class Judge:
    """Judges a model, as it then is: on the tune strips after every epoch, on all at the end.

    Args:
        model: grey -> logits.
        loss: (y_true, logits) -> [B].
        settings: threshold, batch size, number of overlays.
        strips: the data set.
        fold: strips to judge on.
        tiling: of `val_loss` and `val_dice_batch`, which are defined on tiles.
        seed: of a random tiling.
    """

    def __init__(
        self,
        model: Any,
        loss: Any,
        settings: TrainingSpec,
        strips: Strips,
        fold: Fold,
        tiling: Tiling,
        seed: int,
    ) -> None:
        self.shown: tuple[int, ...] = ()
        if settings.overlays:
            self.shown = overlays.choose(strips.pixels, fold.tune, count=settings.overlays)
        self._strips, self._fold, self._batch_size = strips, fold, settings.batch_size
        self._table = functools.partial(tile_table, strips, tiling=tiling, seed=seed)
        classes = len(strips.classes)
        self._on_strips = whole_strip_judge(model, classes, settings.threshold)
        self._on_tiles = tile_judge(model, classes, loss)

    def after_epoch(self, epoch: int, folder: RunFolder) -> Mapping[str, float]:
        """Every metric; the fixed strips are drawn into the run folder."""
        prediction, found = self._judge(self._fold.tune, frozenset(self.shown))
        for row in self.shown:
            self._draw(row, epoch, prediction.masks[row], folder)
        return _named("val", found)

    def verdict(self) -> Verdict:
        """The counts of every tune and test strip, and every metric."""
        tuned, found = self._judge(self._fold.tune)
        named = _named("val", found)
        predictions = [tuned]
        if len(self._fold.test):
            tested, found = self._judge(self._fold.test)
            named |= _named("test", found)
            predictions.append(tested)
        return Verdict(
            parts=["tune"] * len(tuned.rows) + ["test"] * len(self._fold.test),
            rows=np.concatenate([each.rows for each in predictions]),
            counts=Counts(
                *(np.concatenate(c) for c in zip(*(p.counts for p in predictions), strict=True))
            ),
            metrics=named,
        )

    def _judge(
        self, rows: npt.NDArray[np.int64], keep: frozenset[int] = frozenset()
    ) -> tuple[Prediction, dict[str, float]]:
        table, size = self._table(rows)
        limit = self._batch_size * size[0] * size[1]
        prediction = self._on_strips(pipeline.whole_strips(self._strips, rows, pixels=limit), keep)
        tiles = pipeline.Batches(self._strips, table, size, self._batch_size).dataset()
        found = metrics(prediction.counts, self._strips.classes) | self._on_tiles(tiles)
        return prediction, found

    def _draw(self, row: int, epoch: int, mask: npt.NDArray[np.uint8], folder: RunFolder) -> None:
        name, truth, classes = self._strips.names[row], self._strips.mask(row), self._strips.classes
        title = overlays.caption(name, truth, mask, classes=classes, epoch=epoch)
        image = self._strips.image(row)
        picture = overlays.draw(image, truth, mask, classes=classes, title=title)
        path = folder.overlay(epoch, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)


def _named(prefix: str, found: Mapping[str, float]) -> dict[str, float]:
    return {f"{prefix}_{name}": value for name, value in found.items()}


def write_strip_scores(
    folder: Path, strips: Strips, groups: npt.NDArray[np.int64], verdict: Verdict
) -> Path:
    """One row a strip and class: what every metric and every comparison starts from.

    Columns: part, strip, group (of near-duplicates), class, tp, fp, fn (pixels), dice (1 where
    truth and prediction are empty).
    """
    import pyarrow as pa  # 0.1 s that --help and check need not pay
    from pyarrow import parquet

    counts, classes = verdict.counts, strips.classes
    table = pa.table(
        {
            "part": np.repeat(verdict.parts, len(classes)),
            "strip": np.repeat([strips.names[row] for row in verdict.rows], len(classes)),
            "group": np.repeat(groups[verdict.rows], len(classes)),
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
