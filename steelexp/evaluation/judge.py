"""The one judge of all runs: whole strips, never resampled, augmented or tiled away."""

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from steelexp.data import pipeline
from steelexp.data.fold import Fold
from steelexp.data.strips import Strips
from steelexp.data.tiles import Tiling, tile_table
from steelexp.evaluation import overlays, polygons
from steelexp.evaluation.component_areas import Components
from steelexp.evaluation.counts import Counts, dice, metrics
from steelexp.evaluation.detection import Detections
from steelexp.evaluation.judgement import judgement
from steelexp.evaluation.prediction import ScoredStrip, Scorer, scored_strips, scorer
from steelexp.evaluation.score_histograms import Histograms, grid_with
from steelexp.evaluation.strips import tile_judge, whole_strip_judge
from steelexp.evaluation.tuning import tune
from steelexp.evaluation.verdict import Verdict
from steelexp.evaluation.windows import Kind, Layout, overlapping, published
from steelexp.records.decision import ClassDecision
from steelexp.records.store import RunFolder
from steelexp.spec.schema import TrainingSpec

Rows = npt.NDArray[np.int64]

PREFIX = {"tune": "val", "test": "test", "decided": "decided"}
"""Of the metrics of each part."""


DEFINITIONS: dict[Kind, str] = {
    "whole": "whole strips at once",
    "gaussian": "windows of the training tiles' size that overlap by half, their scores averaged "
    "with Gaussian weights",
    "tiles": "the published six tiles of 256 x 256; what lies in none is predicted to be nothing",
}
MEAN_OF_FLIPS = ", the mean of the scores as they are, upside down, mirrored and both"


class Way(NamedTuple):
    """How strips go through the network in the end.

    Attributes:
        windows: whole strips, overlapping windows, or the published six tiles.
        flips: whether the mean over the four flips is taken.
    """

    windows: Kind = "whole"
    flips: bool = False

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.windows}_flips" if self.flips else self.windows

    @property
    def definition(self) -> str:
        """In words."""
        return DEFINITIONS[self.windows] + (MEAN_OF_FLIPS if self.flips else "")


AS_TRAINED = Way()
"""What a run's record is of."""


class Tally(Protocol):
    """What counts strips, one at a time."""

    def add(self, strip: ScoredStrip) -> None:
        """Count one strip."""


class Judge:
    """Judges a model, as it then is: on the tune strips after every epoch, on all at the end.

    Args:
        model: grey -> logits.
        loss: (y_true, logits) -> [B].
        settings: threshold, batch size, number of overlays.
        metric: that decisions make large.
        strips: the data set.
        groups: [S] of near-duplicates.
        fold: strips to judge on.
        tiling: of `val_loss` and `val_dice_batch`, which are defined on tiles.
        seed: of a random tiling.
    """

    def __init__(
        self,
        model: Any,
        loss: Any,
        settings: TrainingSpec,
        metric: str,
        strips: Strips,
        groups: Rows,
        fold: Fold,
        tiling: Tiling,
        seed: int,
    ) -> None:
        _expect_apart(fold)
        self.shown: tuple[int, ...] = ()
        self._overlays = settings.overlays
        self._model, self._metric, self._groups = model, metric, groups
        self._strips, self._fold, self._batch_size = strips, fold, settings.batch_size
        self._table = functools.partial(tile_table, strips, tiling=tiling, seed=seed)
        classes = len(strips.classes)
        self._on_strips = whole_strip_judge(model, classes, settings.threshold)
        self._on_tiles = tile_judge(model, classes, loss)
        self._threshold = settings.threshold

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

    def verdict(self, way: Way = AS_TRAINED) -> Verdict:
        """The counts of every tune and test strip, every metric, the decision, and the rest.

        The decision is tuned on the tune strips and used on the test strips; where there are none,
        there is no decision, and the tune strips are judged with the threshold.
        """
        fold, classes, groups = self._fold, self._strips.classes, self._groups
        score, tested = scorer(self._model, flips=way.flips), len(fold.test) > 0
        look = functools.partial(self._look, score, way)
        histograms, components = self._histograms(), Components()
        found = Detections([ClassDecision(threshold=self._threshold)] * len(classes))
        look(fold.tune, histograms, components if tested else found)
        scores, decision = histograms.scores, None
        fixed = np.array(scores.place(self._threshold))
        counts = {"tune": (fold.tune, scores.at(fixed))}
        if tested:
            decision = tune(scores, components.areas, groups[fold.tune], classes, self._metric)
            histograms, found = self._histograms(), Detections(list(decision.classes.values()))
            look(fold.test, histograms, found)
            scores = histograms.scores
            counts |= {
                "test": (fold.test, scores.at(fixed)),
                "decided": (fold.test, found.counts),
            }
        part: Literal["test", "tune"] = "test" if tested else "tune"
        rows, pixels = counts[part]
        return Verdict(
            parts=[part for part, (numbers, _) in counts.items() for _ in numbers],
            rows=np.concatenate([numbers for numbers, _ in counts.values()]),
            counts=Counts(
                *map(np.concatenate, zip(*(pixels for _, pixels in counts.values()), strict=True))
            ),
            metrics=self._metrics(counts),
            decision=decision,
            judgement=judgement(part, classes, groups[rows], scores, pixels, found, decided=tested),
        )

    def _histograms(self) -> Histograms:
        return Histograms(grid_with(self._threshold))

    def _look(self, score: Scorer, way: Way, rows: Rows, *tallies: Tally) -> None:
        """Score strips once and show each to all that count."""
        _, size = self._table(rows)
        layouts: dict[Kind, Layout | None] = {
            "whole": None,
            "gaussian": overlapping(size),
            "tiles": published,
        }
        limit = self._batch_size * size[0] * size[1]
        for strip in scored_strips(
            score, self._strips, rows, pixels=limit, layout=layouts[way.windows]
        ):
            for tally in tallies:
                tally.add(strip)

    def _metrics(self, counts: Mapping[str, tuple[Rows, Counts]]) -> dict[str, float]:
        found: dict[str, float] = {}
        for part, (_, pixels) in counts.items():
            found |= _named(PREFIX[part], metrics(pixels, self._strips.classes))
        for part, rows in (("tune", self._fold.tune), ("test", self._fold.test)):
            found |= _named(PREFIX[part], self._tile_metrics(rows)) if len(rows) else {}
        return found

    def _batches(self, rows: Rows) -> Iterable[Any]:
        _, size = self._table(rows)
        limit = self._batch_size * size[0] * size[1]
        return pipeline.whole_strips(self._strips, rows, pixels=limit)

    def _tile_metrics(self, rows: Rows) -> dict[str, float]:
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


def _expect_apart(fold: Fold) -> None:
    """No split of ours lets a strip tune and test; a decision tuned on it would praise itself."""
    both = np.intersect1d(fold.tune, fold.test)
    if len(both):
        raise ValueError(
            f"the decision is tuned on {len(both)} of the strips that it is reported on"
        )


def _named(prefix: str, found: Mapping[str, float]) -> dict[str, float]:
    return {f"{prefix}_{name}": value for name, value in found.items()}
