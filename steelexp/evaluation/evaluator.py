"""Evaluation of every run, on whole images that are never resampled or augmented.

Only the loss and dice_batch are measured on tiles.
"""

import functools
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from steelexp.counts import dice
from steelexp.data import pipeline
from steelexp.data.dataset import Dataset
from steelexp.data.splits.split import Split
from steelexp.data.tiles import Tiling, tile_table
from steelexp.epoch_profile import IMAGES, OVERLAYS, TILES, EpochProfile
from steelexp.evaluation.component_areas import Components
from steelexp.evaluation.cross_fitting import cross_fitted_counts
from steelexp.evaluation.detection import DetectionCounts
from steelexp.evaluation.head_counts import HeadCounter
from steelexp.evaluation.head_report import GateComparison, RankingCounter, head_report
from steelexp.evaluation.image_counts import Prediction
from steelexp.evaluation.network_functions import NetworkFunctions
from steelexp.evaluation.postprocessing_search import tune_rules
from steelexp.evaluation.report import report
from steelexp.evaluation.result import EvaluationResult, PartCounts
from steelexp.evaluation.review import Review
from steelexp.evaluation.score_histograms import ScoreCounter, grid_with
from steelexp.evaluation.tuning_counts import TuningCounts
from steelexp.inference.scoring import ScoredImage, Scorer, score_images
from steelexp.inference.windows import Kind, Layout, published_windows, sliding_windows
from steelexp.metric_names import Part, full_name
from steelexp.metrics import LOSS, METRICS, image_metrics
from steelexp.overlays import overlay, polygons
from steelexp.overlays.overlay import png_bytes
from steelexp.records.atomic import write_atomically
from steelexp.records.postprocessing import ClassRules
from steelexp.records.store import RunFolder
from steelexp.spec.training_section import TrainingSpec

Rows = npt.NDArray[np.int64]

DEFINITIONS: dict[Kind, str] = {
    "whole": "whole images at once",
    "sliding": "windows of the training tiles' size that overlap by half, their scores averaged "
    "with Gaussian weights",
    "published": "the published six tiles of 256 x 256; nothing is predicted outside them",
}
MEAN_OF_FLIPS = ", the mean of the scores as they are, upside down, mirrored and both"


class InferenceSettings(NamedTuple):
    """How the images of an evaluation go through the network.

    Attributes:
        kind: Whole images, a sliding window, or the published six tiles.
        tta: Test-time augmentation: whether scores are averaged over the four flips.
    """

    kind: Kind = "whole"
    tta: bool = False

    @property
    def name(self) -> str:
        """Name of the folder of a re-evaluation."""
        return f"{self.kind}_tta" if self.tta else self.kind

    @property
    def definition(self) -> str:
        """The settings in words."""
        return DEFINITIONS[self.kind] + (MEAN_OF_FLIPS if self.tta else "")


DEFAULT_INFERENCE = InferenceSettings()
"""Settings of the evaluation that a run's record holds."""


class Accumulator(Protocol):
    """Accumulates counts, an image at a time."""

    def add(self, image: ScoredImage) -> None:
        """Count one image."""


class Evaluator:
    """Evaluates a network: on the validation images after each epoch, on all images at the end.

    Args:
        functions: Functions of the network, with the threshold of the settings.
        settings: Threshold, batch size, number of overlays.
        tuning_metric: Metric that post-processing is tuned for.
        dataset: Data set.
        groups: Number of each image's group of near-duplicates, [S].
        split: Validation and test images.
        tiling: Tiling for the loss and dice_batch, which are defined on tiles.
        seed: Seed of a random tiling.
        source: File of the network's weights, for messages.
        profile: Profile that the seconds of the epochs go to.

    Attributes:
        overlay_rows: Numbers of the images that are drawn after each epoch.
    """

    def __init__(
        self,
        functions: NetworkFunctions,
        settings: TrainingSpec,
        tuning_metric: str,
        dataset: Dataset,
        groups: Rows,
        split: Split,
        tiling: Tiling,
        seed: int,
        source: object = "the network",
        profile: EpochProfile | None = None,
    ) -> None:
        _check_disjoint(split)
        self.overlay_rows: tuple[int, ...] = ()
        self._functions = functions
        self._settings = settings
        self._tuning_metric = tuning_metric
        self._dataset = dataset
        self._groups = groups
        self._split = split
        self._source = source
        self._profile = profile or EpochProfile()
        self._tile_table = functools.partial(tile_table, dataset, tiling=tiling, seed=seed)

    def after_epoch(
        self, epoch: int, folder: RunFolder, is_last: Callable[[float], bool] = lambda value: False
    ) -> Mapping[str, float]:
        """Validate an epoch, and draw overlays of the same images after each.

        Args:
            epoch: Number of the epoch.
            folder: Run folder.
            is_last: Function from the monitored metric to whether training ends after this epoch.

        Returns:
            Every validation metric, all NaN if a score of the network is not a number. Those of
            tiles are absent in an epoch without a validation on tiles.
        """
        val = self._split.val
        with self._profile.measure(IMAGES):
            self.overlay_rows = self.overlay_rows or self._rows_of_last_overlays(folder)
            prediction = self._functions.count_images(
                self._batches(val), frozenset(self.overlay_rows)
            )
            metrics = image_metrics(prediction.counts, self._dataset.classes, "val")
        with self._profile.measure(OVERLAYS):
            self._draw_overlays(epoch, prediction, folder)
        if self._validates_tiles(epoch, is_last(metrics.get(self._settings.monitor, math.nan))):
            with self._profile.measure(TILES):
                metrics |= self._tile_metrics("val", val)
        return metrics if prediction.finite.all() else dict.fromkeys(metrics, math.nan)

    def _validates_tiles(self, epoch: int, is_last: bool) -> bool:
        return is_last or epoch % self._settings.tile_validation_interval == 0

    def _draw_overlays(self, epoch: int, prediction: Prediction, folder: RunFolder) -> None:
        """Draw the images that have overlays; choose them after the first epoch."""
        for row in self.overlay_rows:
            self._write_overlay(row, epoch, prediction, folder)
        if self._settings.overlays and not self.overlay_rows:
            self.overlay_rows = overlay.choose(
                self._dataset.pixels,
                prediction.rows,
                dice(prediction.counts),
                count=self._settings.overlays,
            )
            self.draw(self.overlay_rows, epoch, folder)

    def _rows_of_last_overlays(self, folder: RunFolder) -> tuple[int, ...]:
        """The images that an earlier session drew after its last epoch."""
        last = folder.epochs[-1:]
        files = {file.name for epoch in last for file in folder.overlays(epoch.epoch)}
        names = enumerate(self._dataset.names)
        return tuple(row for row, name in names if folder.overlay(0, name).name in files)

    def draw(self, rows: Sequence[int], epoch: int, folder: RunFolder) -> None:
        """Draw overlays of images into the run folder, among those of an epoch."""
        if rows:
            prediction = self._functions.count_images(
                self._batches(np.array(rows)), frozenset(rows)
            )
            for row in rows:
                self._write_overlay(row, epoch, prediction, folder)

    def result(self, inference: InferenceSettings = DEFAULT_INFERENCE) -> EvaluationResult:
        """Evaluate all validation and test images.

        Post-processing is tuned on the validation images and applied to the test images. Without
        test images there is no post-processing, and the report covers the validation images.
        """
        split = self._split
        classes = self._dataset.classes
        has_test = len(split.test) > 0
        accumulate = functools.partial(
            self._accumulate, self._functions.scorer(flips=inference.tta), inference
        )
        scores = self._score_counter()
        components = Components()
        head = HeadCounter(grid_with(self._settings.threshold))
        ranking = RankingCounter()
        review = Review(classes)
        fixed = [ClassRules(threshold=self._settings.threshold)] * len(classes)
        detection = DetectionCounts(fixed, review.add)
        tuning = (components, head) if has_test else (detection,)
        accumulate(split.val, scores, ranking, *tuning)
        threshold_index = np.array(scores.histograms.index_of(self._settings.threshold))
        parts: dict[Part, PartCounts] = {
            "val": PartCounts(split.val, scores.histograms.counts_at(threshold_index))
        }
        val_ranking = ranking.ranking
        postprocessing = None
        gates = None
        if has_test:
            counts_of_val = (
                scores.histograms,
                components.areas,
                self._groups[split.val],
                classes,
                self._tuning_metric,
            )
            postprocessing = tune_rules(*counts_of_val, head.counts)
            post_counts = cross_fitted_counts(*counts_of_val, head.counts)
            parts["val_post"] = PartCounts(split.val, post_counts)
            scores = self._score_counter()
            ranking = RankingCounter()
            detection = DetectionCounts(list(postprocessing.classes.values()), review.add)
            accumulators: list[Accumulator] = [scores, ranking, detection]
            if val_ranking is not None:
                rules_without = tune_rules(*counts_of_val).classes
                without = DetectionCounts(list(rules_without.values()))
                gates = GateComparison(detection, without, rules_without)
                accumulators.append(without)
            accumulate(split.test, *accumulators)
            parts["test"] = PartCounts(split.test, scores.histograms.counts_at(threshold_index))
            parts["test_post"] = PartCounts(split.test, detection.counts)
        part: Literal["test", "val"] = "test" if has_test else "val"
        rows, counts = parts[part]
        groups = self._groups[rows]
        head_part = None
        if ranking.ranking is not None:
            other_val = val_ranking if has_test else None
            head_part = head_report(classes, ranking.ranking, other_val, gates)
        return EvaluationResult(
            parts=parts,
            metrics=self._metrics(parts),
            postprocessing=postprocessing,
            report=report(
                part,
                classes,
                groups,
                scores.histograms,
                counts,
                detection,
                post=has_test,
                head=head_part,
            ),
            review=review,
        )

    def tuning_counts(self, rows: Rows) -> TuningCounts:
        """What post-processing can be tuned on, of any images of the data set.

        Args:
            rows: Numbers of the images.
        """
        scores = self._score_counter()
        components = Components()
        head = HeadCounter(grid_with(self._settings.threshold))
        scorer = self._functions.scorer(flips=DEFAULT_INFERENCE.tta)
        self._accumulate(scorer, DEFAULT_INFERENCE, rows, scores, components, head)
        return TuningCounts(scores.histograms, components.areas, head.counts)

    def _score_counter(self) -> ScoreCounter:
        return ScoreCounter(grid_with(self._settings.threshold))

    def _accumulate(
        self, score: Scorer, inference: InferenceSettings, rows: Rows, *accumulators: Accumulator
    ) -> None:
        """Score each image once and give it to every accumulator."""
        _, size = self._tile_table(rows)
        layouts: dict[Kind, Layout | None] = {
            "whole": None,
            "sliding": sliding_windows(size),
            "published": published_windows,
        }
        for image in score_images(
            score,
            self._dataset,
            rows,
            max_pixels=self._pixels_per_batch(size),
            layout=layouts[inference.kind],
            network=self._source,
        ):
            for accumulator in accumulators:
                accumulator.add(image)

    def _metrics(self, parts: Mapping[Part, PartCounts]) -> dict[str, float]:
        values: dict[str, float] = {}
        for part, (rows, counts) in parts.items():
            values |= image_metrics(counts, self._dataset.classes, part)
            if part in METRICS[LOSS].parts:
                values |= self._tile_metrics(part, rows)
        return values

    def _batches(self, rows: Rows) -> Iterable[Any]:
        _, size = self._tile_table(rows)
        limit = self._pixels_per_batch(size)
        return pipeline.image_batches(self._dataset, rows, max_pixels=limit)

    def _pixels_per_batch(self, tile: tuple[int, int]) -> int:
        """Pixels of a training batch; a batch of whole images has at most as many, or one image."""
        return self._settings.batch_size * tile[0] * tile[1]

    def _tile_metrics(self, part: Part, rows: Rows) -> dict[str, float]:
        table, size = self._tile_table(rows)
        batches = pipeline.Batches(self._dataset, table, size, self._settings.batch_size)
        values = self._functions.evaluate_tiles(batches.tf_dataset())
        return {full_name(name, part): value for name, value in values.items()}

    def _write_overlay(
        self, row: int, epoch: int, prediction: Prediction, folder: RunFolder
    ) -> None:
        """The overlay, and for trackers the bare image and the polygons of both masks."""
        dataset = self._dataset
        mask = prediction.masks[row]
        image = dataset.image(row)
        truth = dataset.mask(row)
        title = overlay.caption(
            dataset.names[row], truth, mask, classes=dataset.classes, epoch=epoch
        )
        picture = overlay.draw(image, truth, mask, classes=dataset.classes, title=title)
        path = folder.overlay(epoch, dataset.names[row])
        write_atomically(path, picture.png())
        bare = folder.bare_image(dataset.names[row])
        if not bare.is_file():
            write_atomically(bare, png_bytes(Image.fromarray(image)))
        outlines = polygons.layers(truth, mask, prediction.scores[row], classes=dataset.classes)
        folder.write(str(path.with_suffix(".json").relative_to(folder.path)), json.dumps(outlines))


def _check_disjoint(split: Split) -> None:
    """Raise where an image is in both parts: post-processing would be tested on its own data."""
    shared = np.intersect1d(split.val, split.test)
    if len(shared):
        raise ValueError(
            f"the post-processing is tuned on {len(shared)} of the images that it is reported on"
        )
