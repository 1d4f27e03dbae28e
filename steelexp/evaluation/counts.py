"""Counts first, ratios last: every metric from true and false pixels per strip and class."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

DEFINITIONS = {
    "dice_positive": "per class, mean over the strips that hold the class of the strip's Dice; "
    "then the mean over the classes that occur",
    "dice_kaggle": "mean over all (strip, class) pairs of Dice, 1 where truth and prediction are "
    "both empty",
    "dice_kaggle_all_empty": "dice_kaggle of predicting nothing on the same strips",
    "empty_accuracy": "share of the (strip, class) pairs without the class that were left empty",
    "dice_pooled": "per class, Dice of the pixels of all strips together; then the mean over the "
    "classes that occur or are predicted",
    "iou_pooled": "per class, intersection over union of the pixels of all strips together; then "
    "the mean over the classes that occur or are predicted",
    "dice_batch": "(2 sum(p y) + 1) / (sum(p) + sum(y) + 1) of the scores p over a whole batch of "
    "tiles and all classes, averaged over the batches: the published definition",
    "loss": "the loss on the tiles of those strips, averaged over tiles",
}


class Counts(NamedTuple):
    """Pixels per strip and class, each [S, C].

    Attributes:
        tp: labelled and predicted.
        fp: predicted only.
        fn: labelled only.
    """

    tp: Pixels
    fp: Pixels
    fn: Pixels


def dice(counts: Counts) -> Values:
    """Dice of each strip and class, 2 tp / (2 tp + fp + fn); 1 where both are empty. [S, C]."""
    total = 2 * counts.tp + counts.fp + counts.fn
    return np.where(total == 0, 1.0, 2 * counts.tp / np.maximum(total, 1))


def metrics(counts: Counts, classes: Sequence[str]) -> dict[str, float]:
    """Every whole-strip metric, overall and per class.

    Args:
        counts: [S, C] each.
        classes: [C] names.

    Returns:
        "dice_positive", "dice_positive/1", ...; a value that is not defined, such as
        dice_positive of a class that no strip holds, is left out.
    """
    score, held = dice(counts), counts.tp + counts.fn > 0
    silent = ~held & (counts.fp == 0)
    pooled = Counts(*(part.sum(axis=0) for part in counts))
    seen = pooled.tp + pooled.fp + pooled.fn
    positive = _ratio((score * held).sum(axis=0), held.sum(axis=0))
    dice_pooled = _ratio(2 * pooled.tp, pooled.tp + seen)
    iou_pooled = _ratio(pooled.tp, seen)
    rows: dict[str, tuple[float, Values]] = {
        "dice_positive": (_mean(positive), positive),
        "dice_kaggle": (float(score.mean()), score.mean(axis=0)),
        "dice_kaggle_all_empty": (float((~held).mean()), (~held).mean(axis=0)),
        "empty_accuracy": (
            float(_ratio(silent.sum(), (~held).sum())),
            _ratio(silent.sum(axis=0), (~held).sum(axis=0)),
        ),
        "dice_pooled": (_mean(dice_pooled), dice_pooled),
        "iou_pooled": (_mean(iou_pooled), iou_pooled),
    }
    flat = {name: overall for name, (overall, _) in rows.items()}
    for name, (_, per_class) in rows.items():
        flat |= {f"{name}/{c}": float(v) for c, v in zip(classes, per_class, strict=True)}
    return {name: value for name, value in flat.items() if not np.isnan(value)}


def _ratio(numerator: npt.ArrayLike, denominator: npt.ArrayLike) -> Values:
    """The quotient, NaN where the denominator is 0."""
    below = np.asarray(denominator, np.float64)
    ratio = np.asarray(numerator, np.float64) / np.where(below == 0, np.nan, below)
    return np.asarray(ratio, np.float64)


def _mean(values: Values) -> float:
    """The mean of the values that are defined, NaN where none is."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")
