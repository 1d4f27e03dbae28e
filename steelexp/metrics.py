"""Every metric once: its meaning, its direction, where it exists and how it is computed.

Schema, training, tables, pages and analyses read METRICS. A new metric is an entry there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.counts import Counts, Values, dice
from steelexp.metric_names import PARTS, Part, class_names, full_name, parse_name

LOSS = "loss"
ALL_EMPTY = "dice_kaggle_all_empty"

_ON_TILES = "is measured on tiles"


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: Name without part and class.
        definition: Definition in words, as records hold it.
        title: Title of a column.
        ratio: Function from counts to numerator and denominator of each image and class; None for a
            metric of tiles, which has no values per class.
        micro_average: True for a value over all classes that is one ratio over all (image, class)
            pairs; False for the mean over the classes (macro average).
        lower_is_better: Whether a model is better where the metric is lower.
        bounded: Whether all values lie between 0 and 1.
        monitored: Whether it can pick the best epoch. One that a model wins by predicting nothing
            cannot.
        headline: Whether it is shown where there is room for a few only.
        tunable: Whether post-processing can be tuned for it. Its denominator must not depend on
            the prediction.
        settings: Settings that change what it measures, with the reason.
    """

    name: str
    definition: str
    title: str
    ratio: Callable[[Counts], tuple[npt.ArrayLike, npt.ArrayLike]] | None = None
    micro_average: bool = False
    lower_is_better: bool = False
    bounded: bool = True
    monitored: bool = True
    headline: bool = False
    tunable: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def on_images(self) -> bool:
        """Whether it is defined on whole images, overall and per class."""
        return self.ratio is not None

    @property
    def parts(self) -> tuple[Part, ...]:
        """Parts that have it. A metric of tiles has no post-processed value."""
        return PARTS if self.on_images else ("val", "test")


def _dice_positive(counts: Counts) -> tuple[npt.ArrayLike, npt.ArrayLike]:
    return dice(counts) * counts.labelled, counts.labelled


def _dice_kaggle(counts: Counts) -> tuple[npt.ArrayLike, npt.ArrayLike]:
    return dice(counts), np.ones(counts.tp.shape)


def _all_empty(counts: Counts) -> tuple[npt.ArrayLike, npt.ArrayLike]:
    return ~counts.labelled, np.ones(counts.tp.shape)


def _empty_accuracy(counts: Counts) -> tuple[npt.ArrayLike, npt.ArrayLike]:
    return ~counts.labelled & (counts.fp == 0), ~counts.labelled


def _dice_pooled(counts: Counts) -> tuple[npt.ArrayLike, npt.ArrayLike]:
    return 2 * counts.tp, 2 * counts.tp + counts.fp + counts.fn


def _iou_pooled(counts: Counts) -> tuple[npt.ArrayLike, npt.ArrayLike]:
    return counts.tp, counts.tp + counts.fp + counts.fn


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "dice_positive",
            "per class, mean over the images that hold the class of the image's Dice; then the "
            "mean over the classes that occur",
            "dice_positive",
            _dice_positive,
            headline=True,
            tunable=True,
        ),
        Metric(
            "dice_kaggle",
            "mean over all (image, class) pairs of Dice, 1 where truth and prediction are both "
            "empty",
            "dice_kaggle",
            _dice_kaggle,
            micro_average=True,
            headline=True,
            tunable=True,
        ),
        Metric(
            ALL_EMPTY,
            "dice_kaggle of predicting nothing on the same images",
            "if all empty",
            _all_empty,
            micro_average=True,
            monitored=False,
        ),
        Metric(
            "empty_accuracy",
            "share of the (image, class) pairs without the class in which nothing is predicted",
            "empty_accuracy",
            _empty_accuracy,
            micro_average=True,
            monitored=False,
        ),
        Metric(
            "dice_pooled",
            "per class, Dice of the pixels of all images together; then the mean over the classes "
            "that occur or are predicted",
            "dice_pooled",
            _dice_pooled,
        ),
        Metric(
            "iou_pooled",
            "per class, intersection over union of the pixels of all images together; then the "
            "mean over the classes that occur or are predicted",
            "iou_pooled",
            _iou_pooled,
        ),
        Metric(
            "dice_batch",
            "flattened, smoothed soft Dice of a batch of tiles, as Keras notebooks compute it: (2 "
            "sum(p y) + 1) / (sum(p) + sum(y) + 1) of the scores p over all pixels and classes of "
            "the batch; then the mean over the batches. The author of the published 0.7172 gives "
            "no definition, so that figure may be of another metric",
            "dice_batch",
            settings={"training.batch_size": "is measured on batches", "tiling": _ON_TILES},
        ),
        Metric(
            LOSS,
            "loss on the tiles of those images, averaged over tiles",
            "loss",
            lower_is_better=True,
            bounded=False,
            settings={
                "loss": "is another quantity for every loss",
                "class_weights": "is another quantity for other weights",
                "tiling": _ON_TILES,
                "training.batch_size": "may depend on what else is in the batch",
            },
        ),
    )
}

ON_IMAGES = tuple(metric for metric in METRICS.values() if metric.on_images)
PRIMARY = "dice_positive"
"""Metric that strategies are ranked and tested by."""
HEADLINES = tuple(name for name, metric in METRICS.items() if metric.headline)
COMPARED = (*HEADLINES, "empty_accuracy")
"""Metrics by which strategies are set against a baseline, image by image."""
TUNABLE = tuple(name for name, metric in METRICS.items() if metric.tunable)
CURVES = tuple(metric.name for metric in ON_IMAGES if metric.monitored)
"""Metrics of images that are drawn over the epochs."""


MONITORS = tuple(full_name(name, "val") for name, metric in METRICS.items() if metric.monitored)
"""Full names of the metrics that can pick the best epoch."""


def definitions() -> dict[str, str]:
    """The definition of every metric, by its name."""
    return {name: metric.definition for name, metric in METRICS.items()}


def lower_is_better(name: str) -> bool:
    """Whether lower is better, by a metric's name or full name; False for any other name."""
    metric = METRICS.get(parse_name(name).metric)
    return metric is not None and metric.lower_is_better


def is_on_tiles(name: str) -> bool:
    """Whether a metric is measured on tiles, by its name or full name."""
    metric = METRICS.get(parse_name(name).metric)
    return metric is not None and not metric.on_images


def is_bounded(name: str) -> bool:
    """Whether a metric's values lie between 0 and 1, by its name or full name."""
    metric = METRICS.get(parse_name(name).metric)
    return metric is not None and metric.bounded


class Ratio(NamedTuple):
    """A metric of images before its division, for each of S images and C classes.

    The metric is the sum of the numerators over the images by the sum of the denominators.

    Attributes:
        numerators: Numerator of each image and class, [S, C].
        denominators: Denominator of each image and class, [S, C].
        micro_average: True for a value over all classes that is one ratio over all (image, class)
            pairs; False for the mean over the classes (macro average).
    """

    numerators: Values
    denominators: Values
    micro_average: bool


def ratio(metric: str, counts: Counts) -> Ratio:
    """Numerators and denominators of a metric of images."""
    entry = METRICS[metric]
    if entry.ratio is None:
        raise ValueError(f"{metric}: measured on tiles")
    numerators, denominators = (np.asarray(part, np.float64) for part in entry.ratio(counts))
    return Ratio(numerators, denominators, entry.micro_average)


def divide_sums(numerators: Values, denominators: Values, *, micro_average: bool) -> Values:
    """Divide sums over images into the value of each class and, last, the value over all classes.

    Args:
        numerators: Sums of the numerators, [..., C].
        denominators: Sums of the denominators, [..., C].
        micro_average: Whether the value over all classes is one ratio over all pairs.

    Returns:
        [..., C + 1]; NaN for a denominator of 0.
    """
    each = _divide(numerators, denominators)
    if micro_average:
        overall = _divide(numerators.sum(axis=-1), denominators.sum(axis=-1))
    else:
        defined = ~np.isnan(each)
        overall = _divide(np.where(defined, each, 0).sum(axis=-1), defined.sum(axis=-1))
    return np.concatenate([each, overall[..., None]], axis=-1)


def image_metrics(counts: Counts, classes: Sequence[str], part: Part) -> dict[str, float]:
    """Every metric of images, over all classes and per class, by its full name.

    A value that is not defined, such as dice_positive of a class that no image holds, is left out.

    Args:
        counts: True and false pixels, [S, C] each.
        classes: Names of the classes, [C].
        part: Part of the split that holds the images.
    """
    values: dict[str, float] = {}
    for metric in ON_IMAGES:
        numerators, denominators, micro_average = ratio(metric.name, counts)
        column = divide_sums(
            numerators.sum(axis=0), denominators.sum(axis=0), micro_average=micro_average
        ).tolist()
        values |= dict(zip(class_names(metric.name, classes, part), column, strict=True))
    return {name: value for name, value in values.items() if not np.isnan(value)}


def _divide(numerators: npt.ArrayLike, denominators: npt.ArrayLike) -> Values:
    """The quotient, NaN where the denominator is 0."""
    bottom = np.asarray(denominators, np.float64)
    quotient = np.asarray(numerators, np.float64) / np.where(bottom == 0, np.nan, bottom)
    return np.asarray(quotient, np.float64)
