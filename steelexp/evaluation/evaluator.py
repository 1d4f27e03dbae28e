"""The one evaluate of all runs: whole images, never resampled, augmented or tiled away."""

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from steelexp.counts import Counts, dice, metrics
from steelexp.data import pipeline
from steelexp.data.dataset import Dataset
from steelexp.data.split import Split
from steelexp.data.tiles import Tiling, tile_table
from steelexp.evaluation.component_areas import Components
from steelexp.evaluation.detection import DetectionCounts
from steelexp.evaluation.image_counts import tile_evaluator, whole_image_counter
from steelexp.evaluation.postprocessing_search import tune_rules
from steelexp.evaluation.report import report
from steelexp.evaluation.result import EvaluationResult
from steelexp.evaluation.score_histograms import Histograms, grid_with
from steelexp.inference.scoring import ScoredImage, Scorer, score_images, scorer
from steelexp.inference.windows import Kind, Layout, published_windows, sliding_windows
from steelexp.overlays import overlay, polygons
from steelexp.records.postprocessing import ClassRules
from steelexp.records.store import RunFolder
from steelexp.spec.schema import TrainingSpec

Rows = npt.NDArray[np.int64]

PREFIX = {"val": "val", "test": "test", "test_post": "test_post"}
"""Of the metrics of each part."""


DEFINITIONS: dict[Kind, str] = {
    "whole": "whole images at once",
    "sliding": "windows of the training tiles' size that overlap by half, their scores averaged "
    "with Gaussian weights",
    "published": "the published six tiles of 256 x 256; what lies in none is predicted to be nothing",
}
MEAN_OF_FLIPS = ", the mean of the scores as they are, upside down, mirrored and both"


class InferenceSettings(NamedTuple):
    """How images go through the network in the end.

    Attributes:
        kind: whole images, a sliding window, or the published six tiles.
        tta: test-time augmentation; the mean of the scores over the four flips.
    """

    kind: Kind = "whole"
    tta: bool = False

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.kind}_tta" if self.tta else self.kind

    @property
    def definition(self) -> str:
        """In words."""
        return DEFINITIONS[self.kind] + (MEAN_OF_FLIPS if self.tta else "")


DEFAULT_INFERENCE = InferenceSettings()
"""What a run's record is of."""


class Accumulator(Protocol):
    """What counts images, one at a time."""

    def add(self, image: ScoredImage) -> None:
        """Count one image."""


class Evaluator:
    """Judges a model, as it then is: on the validation images after every epoch, on all at the end.

    Args:
        model: grey -> logits.
        loss: (y_true, logits) -> [B].
        settings: threshold, batch size, number of overlays.
        metric: that decisions make large.
        dataset: the data set.
        groups: [S] of near-duplicates.
        fold: images to evaluate on.
        tiling: of `val_loss` and `val_dice_batch`, which are defined on tiles.
        seed: of a random tiling.
    """

    def __init__(
        self,
        model: Any,
        loss: Any,
        settings: TrainingSpec,
        metric: str,
        dataset: Dataset,
        groups: Rows,
        split: Split,
        tiling: Tiling,
        seed: int,
    ) -> None:
        _check_apart(split)
        self.shown: tuple[int, ...] = ()
        self._overlays = settings.overlays
        self._model, self._metric, self._groups = model, metric, groups
        self._dataset, self._split, self._batch_size = dataset, split, settings.batch_size
        self._table = functools.partial(tile_table, dataset, tiling=tiling, seed=seed)
        classes = len(dataset.classes)
        self._on_images = whole_image_counter(model, classes, settings.threshold)
        self._on_tiles = tile_evaluator(model, classes, loss)
        self._threshold = settings.threshold

    def after_epoch(self, epoch: int, folder: RunFolder) -> Mapping[str, float]:
        """Every metric; some images, fixed after the first epoch, are drawn into the run folder."""
        val = self._split.val
        self.shown = self.shown or self._drawn_before(folder)
        known = self.shown
        prediction = self._on_images(self._batches(val), frozenset(known))
        found = metrics(prediction.counts, self._dataset.classes) | self._tile_metrics(val)
        for row in known:
            self._draw(row, epoch, prediction.masks[row], folder)
        if self._overlays and not known:
            scored = prediction.rows, dice(prediction.counts)
            self.shown = overlay.choose(self._dataset.pixels, *scored, count=self._overlays)
            self.draw(self.shown, epoch, folder)
        return _named("val", found)

    def _drawn_before(self, folder: RunFolder) -> tuple[int, ...]:
        """The images that an earlier session drew after its last epoch."""
        last = folder.epochs[-1:]
        drawn = {path.stem for epoch in last for path in folder.overlays(epoch.epoch)}
        return tuple(
            row for row, name in enumerate(self._dataset.names) if Path(name).stem in drawn
        )

    def draw(self, rows: Sequence[int], epoch: int, folder: RunFolder) -> None:
        """Draw images into the run folder, as those of an epoch."""
        if rows:
            masks = self._on_images(self._batches(np.array(rows)), frozenset(rows)).masks
            for row in rows:
                self._draw(row, epoch, masks[row], folder)

    def result(self, inference: InferenceSettings = DEFAULT_INFERENCE) -> EvaluationResult:
        """The counts of every tune and test image, every metric, the post-processing, and the rest.

        The decision is tuned on the validation images and used on the test images; where there are none,
        there is no post-processing, and the validation images are evaluated with the threshold.
        """
        split, classes, groups = self._split, self._dataset.classes, self._groups
        score, tested = scorer(self._model, flips=inference.tta), len(split.test) > 0
        look = functools.partial(self._look, score, inference)
        histograms, components = self._histograms(), Components()
        found = DetectionCounts([ClassRules(threshold=self._threshold)] * len(classes))
        look(split.val, histograms, components if tested else found)
        scores, postprocessing = histograms.scores, None
        fixed = np.array(scores.place(self._threshold))
        counts = {"val": (split.val, scores.at(fixed))}
        if tested:
            postprocessing = tune_rules(
                scores, components.areas, groups[split.val], classes, self._metric
            )
            histograms, found = (
                self._histograms(),
                DetectionCounts(list(postprocessing.classes.values())),
            )
            look(split.test, histograms, found)
            scores = histograms.scores
            counts |= {
                "test": (split.test, scores.at(fixed)),
                "test_post": (split.test, found.counts),
            }
        part: Literal["test", "val"] = "test" if tested else "val"
        rows, pixels = counts[part]
        return EvaluationResult(
            parts=[part for part, (numbers, _) in counts.items() for _ in numbers],
            rows=np.concatenate([numbers for numbers, _ in counts.values()]),
            counts=Counts(
                *map(np.concatenate, zip(*(pixels for _, pixels in counts.values()), strict=True))
            ),
            metrics=self._metrics(counts),
            postprocessing=postprocessing,
            report=report(part, classes, groups[rows], scores, pixels, found, post=tested),
        )

    def _histograms(self) -> Histograms:
        return Histograms(grid_with(self._threshold))

    def _look(
        self, score: Scorer, inference: InferenceSettings, rows: Rows, *accumulators: Accumulator
    ) -> None:
        """Score images once and show each to all that count."""
        _, size = self._table(rows)
        layouts: dict[Kind, Layout | None] = {
            "whole": None,
            "sliding": sliding_windows(size),
            "published": published_windows,
        }
        limit = self._batch_size * size[0] * size[1]
        for image in score_images(
            score, self._dataset, rows, pixels=limit, layout=layouts[inference.kind]
        ):
            for accumulator in accumulators:
                accumulator.add(image)

    def _metrics(self, counts: Mapping[str, tuple[Rows, Counts]]) -> dict[str, float]:
        found: dict[str, float] = {}
        for part, (_, pixels) in counts.items():
            found |= _named(PREFIX[part], metrics(pixels, self._dataset.classes))
        for part, rows in (("val", self._split.val), ("test", self._split.test)):
            found |= _named(PREFIX[part], self._tile_metrics(rows)) if len(rows) else {}
        return found

    def _batches(self, rows: Rows) -> Iterable[Any]:
        _, size = self._table(rows)
        limit = self._batch_size * size[0] * size[1]
        return pipeline.image_batches(self._dataset, rows, pixels=limit)

    def _tile_metrics(self, rows: Rows) -> dict[str, float]:
        table, size = self._table(rows)
        return self._on_tiles(
            pipeline.Batches(self._dataset, table, size, self._batch_size).tf_dataset()
        )

    def _draw(self, row: int, epoch: int, mask: npt.NDArray[np.uint8], folder: RunFolder) -> None:
        name, truth, classes = (
            self._dataset.names[row],
            self._dataset.mask(row),
            self._dataset.classes,
        )
        title = overlay.caption(name, truth, mask, classes=classes, epoch=epoch)
        image = self._dataset.image(row)
        picture = overlay.draw(image, truth, mask, classes=classes, title=title)
        path = folder.overlay(epoch, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)
        outlines = polygons.layers(truth, mask, classes=classes, scale=overlay.scale(image.shape))
        folder.write(str(path.with_suffix(".json").relative_to(folder.path)), json.dumps(outlines))


def _check_apart(split: Split) -> None:
    """No split of ours lets an image tune and test; a post-processing tuned on it would praise itself."""
    both = np.intersect1d(split.val, split.test)
    if len(both):
        raise ValueError(
            f"the post-processing is tuned on {len(both)} of the images that it is reported on"
        )


def _named(prefix: str, found: Mapping[str, float]) -> dict[str, float]:
    return {f"{prefix}_{name}": value for name, value in found.items()}
