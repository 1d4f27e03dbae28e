"""Counts first, ratios last: every metric from true and false pixels per image and class."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

DEFINITIONS = {
    "dice_positive": "per class, mean over the images that hold the class of the image's Dice; "
    "then the mean over the classes that occur",
    "dice_kaggle": "mean over all (image, class) pairs of Dice, 1 where truth and prediction are "
    "both empty",
    "dice_kaggle_all_empty": "dice_kaggle of predicting nothing on the same images",
    "empty_accuracy": "share of the (image, class) pairs without the class that were left empty",
    "dice_pooled": "per class, Dice of the pixels of all images together; then the mean over the "
    "classes that occur or are predicted",
    "iou_pooled": "per class, intersection over union of the pixels of all images together; then "
    "the mean over the classes that occur or are predicted",
    "dice_batch": "(2 sum(p y) + 1) / (sum(p) + sum(y) + 1) of the scores p over a whole batch of "
    "tiles and all classes, averaged over the batches: the published definition",
    "loss": "the loss on the tiles of those images, averaged over tiles",
}


class Counts(NamedTuple):
    """Pixels per image and class, each [S, C].

    Attributes:
        tp: labelled and predicted.
        fp: predicted only.
        fn: labelled only.
    """

    tp: Pixels
    fp: Pixels
    fn: Pixels


def dice(counts: Counts) -> Values:
    """Dice of each image and class, 2 tp / (2 tp + fp + fn); 1 where both are empty. [S, C]."""
    total = 2 * counts.tp + counts.fp + counts.fn
    return np.where(total == 0, 1.0, 2 * counts.tp / np.maximum(total, 1))


class Ratio(NamedTuple):
    """A metric before it is divided; sums over images divided by one another are its value.

    Attributes:
        above: [S, C].
        below: [S, C].
        of_pairs: overall it is the ratio over all images and classes, not the mean of the classes.
    """

    above: Values
    below: Values
    of_pairs: bool


def ratios(counts: Counts) -> dict[str, Ratio]:
    """Every whole-image metric by name."""
    score, held = dice(counts), counts.tp + counts.fn > 0
    silent, ones = ~held & (counts.fp == 0), np.ones(held.shape)
    seen = counts.tp + counts.fp + counts.fn
    rows = {
        "dice_positive": (score * held, held, False),
        "dice_kaggle": (score, ones, True),
        "dice_kaggle_all_empty": (~held, ones, True),
        "empty_accuracy": (silent, ~held, True),
        "dice_pooled": (2 * counts.tp, counts.tp + seen, False),
        "iou_pooled": (counts.tp, seen, False),
    }
    return {
        name: Ratio(above.astype(np.float64), below.astype(np.float64), of_pairs)
        for name, (above, below, of_pairs) in rows.items()
    }


def divided(above: Values, below: Values, *, of_pairs: bool) -> Values:
    """Values of sums over images: [..., C] -> [..., C + 1], overall last, NaN where 0 / 0."""
    each = _ratio(above, below)
    if of_pairs:
        overall = _ratio(above.sum(axis=-1), below.sum(axis=-1))
    else:
        defined = ~np.isnan(each)
        overall = _ratio(np.where(defined, each, 0).sum(axis=-1), defined.sum(axis=-1))
    return np.concatenate([each, overall[..., None]], axis=-1)


def metrics(counts: Counts, classes: Sequence[str]) -> dict[str, float]:
    """Every whole-image metric, overall and per class.

    Args:
        counts: [S, C] each.
        classes: [C] names.

    Returns:
        "dice_positive", "dice_positive/1", ...; a value that is not defined, such as
        dice_positive of a class that no image holds, is left out.
    """
    flat: dict[str, float] = {}
    for name, (above, below, of_pairs) in ratios(counts).items():
        values = divided(above.sum(axis=0), below.sum(axis=0), of_pairs=of_pairs).tolist()
        flat |= dict(zip(names_of(name, classes), values, strict=True))
    return {name: value for name, value in flat.items() if not np.isnan(value)}


def names_of(metric: str, classes: Sequence[str]) -> list[str]:
    """The names of a metric's values: each class's, then the one overall."""
    return [*(f"{metric}/{label}" for label in classes), metric]


def _ratio(numerator: npt.ArrayLike, denominator: npt.ArrayLike) -> Values:
    """The quotient, NaN where the denominator is 0."""
    below = np.asarray(denominator, np.float64)
    ratio = np.asarray(numerator, np.float64) / np.where(below == 0, np.nan, below)
    return np.asarray(ratio, np.float64)
