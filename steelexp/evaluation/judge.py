"""The one judge of all runs: whole strips, never resampled, augmented or tiled away."""

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.data import pipeline
from steelexp.data.fold import Fold
from steelexp.data.strips import Strips
from steelexp.data.tiles import Tiling, tile_table
from steelexp.evaluation import overlays, polygons
from steelexp.evaluation.counts import Counts, dice, metrics
from steelexp.evaluation.decision import Scores, grid_with, tuned_places
from steelexp.evaluation.strips import score_judge, tile_judge, whole_strip_judge
from steelexp.records.store import RunFolder
from steelexp.spec.schema import TrainingSpec

PREFIX = {"tune": "val", "test": "test", "decided": "decided"}
"""Of the metrics of each part."""


class Verdict(NamedTuple):
    """What a model is worth.

    Attributes:
        parts: [S] "tune", "test" or "decided": the test strips again, with tuned thresholds.
        rows: [S] strip numbers.
        counts: [S, C] pixels each.
        metrics: "val_dice_positive", "val_dice_positive/1", ... of the tune strips, "test_..." of
            the test strips, "decided_..." of those with tuned thresholds.
        thresholds: [C] tuned on the tune strips; None where there are no test strips to use them
            on.
    """

    parts: Sequence[str]
    rows: npt.NDArray[np.int64]
    counts: Counts
    metrics: Mapping[str, float]
    thresholds: Sequence[float] | None


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
        self._overlays = settings.overlays
        self._strips, self._fold, self._batch_size = strips, fold, settings.batch_size
        self._table = functools.partial(tile_table, strips, tiling=tiling, seed=seed)
        classes = len(strips.classes)
        self._on_strips = whole_strip_judge(model, classes, settings.threshold)
        self._on_tiles = tile_judge(model, classes, loss)
        self._threshold = settings.threshold
        self._scores = score_judge(model, classes, grid_with(settings.threshold))

    def after_epoch(self, epoch: int, folder: RunFolder) -> Mapping[str, float]:
        """Every metric; some strips, fixed after the first epoch, are drawn into the run folder."""
        tune = self._fold.tune
        self.shown = self.shown or self._drawn_before(folder)
        known = self.shown
        prediction = self._on_strips(self._batches(tune), frozenset(known))
        found = metrics(prediction.counts, self._strips.classes) | self._tile_metrics(tune)
        for row in known:
            self._draw(row, epoch, prediction.masks[row], folder)
        if self._overlays and not known:
            scored = prediction.rows, dice(prediction.counts)
            self.shown = overlays.choose(self._strips.pixels, *scored, count=self._overlays)
            self.draw(self.shown, epoch, folder)
        return _named("val", found)

    def _drawn_before(self, folder: RunFolder) -> tuple[int, ...]:
        """The strips that an earlier session drew after its last epoch."""
        last = folder.epochs[-1:]
        drawn = {path.stem for epoch in last for path in folder.overlays(epoch.epoch)}
        return tuple(row for row, name in enumerate(self._strips.names) if Path(name).stem in drawn)

    def draw(self, rows: Sequence[int], epoch: int, folder: RunFolder) -> None:
        """Draw strips into the run folder, as those of an epoch."""
        if rows:
            masks = self._on_strips(self._batches(np.array(rows)), frozenset(rows)).masks
            for row in rows:
                self._draw(row, epoch, masks[row], folder)

    def verdict(self) -> Verdict:
        """The counts of every tune and test strip, and every metric."""
        fold, classes = self._fold, self._strips.classes
        rows, tuned = self._scored(fold.tune)
        fixed = np.array(tuned.place(self._threshold))
        counts = {"tune": (rows, tuned.at(fixed))}
        thresholds = None
        if len(fold.test):
            places = tuned_places(tuned)
            rows, tested = self._scored(fold.test)
            counts |= {"test": (rows, tested.at(fixed)), "decided": (rows, tested.at(places))}
            thresholds = tested.thresholds[places].tolist()
        found: dict[str, float] = {}
        for part, (_, pixels) in counts.items():
            found |= _named(PREFIX[part], metrics(pixels, classes))
        for part, judged in (("tune", fold.tune), ("test", fold.test)):
            found |= _named(PREFIX[part], self._tile_metrics(judged)) if len(judged) else {}
        return Verdict(
            parts=[part for part, (numbers, _) in counts.items() for _ in numbers],
            rows=np.concatenate([numbers for numbers, _ in counts.values()]),
            counts=Counts(
                *map(np.concatenate, zip(*(pixels for _, pixels in counts.values()), strict=True))
            ),
            metrics=found,
            thresholds=thresholds,
        )

    def _scored(self, rows: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], Scores]:
        return self._scores(self._batches(rows))

    def _batches(self, rows: npt.NDArray[np.int64]) -> Iterable[Any]:
        _, size = self._table(rows)
        limit = self._batch_size * size[0] * size[1]
        return pipeline.whole_strips(self._strips, rows, pixels=limit)

    def _tile_metrics(self, rows: npt.NDArray[np.int64]) -> dict[str, float]:
        table, size = self._table(rows)
        return self._on_tiles(
            pipeline.Batches(self._strips, table, size, self._batch_size).dataset()
        )

    def _draw(self, row: int, epoch: int, mask: npt.NDArray[np.uint8], folder: RunFolder) -> None:
        name, truth, classes = self._strips.names[row], self._strips.mask(row), self._strips.classes
        title = overlays.caption(name, truth, mask, classes=classes, epoch=epoch)
        image = self._strips.image(row)
        picture = overlays.draw(image, truth, mask, classes=classes, title=title)
        path = folder.overlay(epoch, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)
        outlines = polygons.layers(truth, mask, classes=classes, scale=overlays.scale(image.shape))
        folder.write(str(path.with_suffix(".json").relative_to(folder.path)), json.dumps(outlines))


def _named(prefix: str, found: Mapping[str, float]) -> dict[str, float]:
    return {f"{prefix}_{name}": value for name, value in found.items()}


def write_strip_scores(
    folder: Path, strips: Strips, groups: npt.NDArray[np.int64], verdict: Verdict
) -> Path:
    """One row a part, strip and class: what every metric and every comparison starts from.

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
