"""Losses that are ratios of overlap: Tversky's index and its special cases.

Signatures and shapes are those of `losses`. Scores are soft: a pixel is hit by p y, falsely
predicted by p (1 - y) and missed by (1 - p) y, with p = sigmoid(logits).
"""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from steelexp.lazy import Tensor, tf
from steelexp.model.loss_inputs import Absent, Over, as_float32

# The axes of [B, h, w, C] that one index sums over.
_AXES: dict[str, tuple[int, ...]] = {
    "tile_and_class": (1, 2),
    "tile": (1, 2, 3),
    "batch_and_class": (0, 1, 2),
    "batch": (0, 1, 2, 3),
}
_CLASS_AXIS = 3


def dice(
    y_true: Tensor,
    logits: Tensor,
    class_weights: Tensor | None = None,
    *,
    over: Over = "tile_and_class",
    smooth: PositiveFloat = 1.0,
    absent: Absent = "smoothed",
) -> Tensor:
    """Soft Dice loss.

    1 - (2 sum(p y) + s) / (sum(p) + sum(y) + s), p = sigmoid(logits), s = smooth; the mean over the
    coefficients that `over` leaves. It is tversky(1/2, 1/2) with s / 2.

    Where a class is absent, no prediction costs 0 and a predicted mass of m pixels m / (m + s):
    with s = 1 one certain false pixel costs 0.5, and beyond that the loss is nearly flat. `absent`
    offers other prices. Summing over the batch or over all classes hides an absent or a rare class
    behind the others.

    Args:
        y_true: [B, h, w, C] of 0 and 1.
        logits: [B, h, w, C].
        class_weights: [C], mean one; of the coefficients, or inside the sums where `over` pools the
            classes.
        over: what one coefficient sums over: each class of each tile, each tile, each class of the
            batch, or everything at once (the published loss).
        smooth: pixels added above and below.
        absent: price of m false pixels among n where the truth is empty: smoothed takes the
            formula's, mean_score m / n, which grows with every pixel, and nothing 0, which makes
            false alarms free.

    Returns:
        [B].

    Source: Milletari et al., V-Net, 3DV 2016, https://arxiv.org/abs/1606.04797, section 3, with the
    smoothing of its Keras implementations.
    """
    return tversky(
        y_true,
        logits,
        class_weights,
        false_positives=0.5,
        false_negatives=0.5,
        over=over,
        smooth=smooth / 2.0,
        absent=absent,
    )


def jaccard(
    y_true: Tensor,
    logits: Tensor,
    class_weights: Tensor | None = None,
    *,
    over: Over = "tile_and_class",
    smooth: PositiveFloat = 1.0,
    absent: Absent = "smoothed",
) -> Tensor:
    """Soft Jaccard loss, or 1 - IoU.

    1 - (sum(p y) + s) / (sum(p) + sum(y) - sum(p y) + s), p = sigmoid(logits), s = smooth. It is
    tversky(1, 1). Where a class is absent, a predicted mass of m pixels costs m / (m + s).

    Args:
        y_true: [B, h, w, C] of 0 and 1.
        logits: [B, h, w, C].
        class_weights: [C], mean one; as for dice.
        over: what one index sums over; as for dice.
        smooth: pixels added above and below.
        absent: price of false pixels where the truth is empty; as for dice.

    Returns:
        [B].

    Source: Rahman and Wang, ISVC 2016, https://doi.org/10.1007/978-3-319-50835-1_22.
    """
    return tversky(
        y_true,
        logits,
        class_weights,
        false_positives=1.0,
        false_negatives=1.0,
        over=over,
        smooth=smooth,
        absent=absent,
    )


def tversky(
    y_true: Tensor,
    logits: Tensor,
    class_weights: Tensor | None = None,
    *,
    false_positives: NonNegativeFloat = 0.3,
    false_negatives: NonNegativeFloat = 0.7,
    over: Over = "tile_and_class",
    smooth: PositiveFloat = 1.0,
    absent: Absent = "smoothed",
) -> Tensor:
    """Tversky loss: Dice with separate prices of false and of missed pixels.

    1 - (sum(p y) + s) / (sum(p y) + a sum(p (1 - y)) + b sum((1 - p) y) + s), p = sigmoid(logits),
    a = false_positives, b = false_negatives, s = smooth. It is focal_tversky with gamma = 1. Where
    a class is absent, a predicted mass of m pixels costs a m / (a m + s).

    Args:
        y_true: [B, h, w, C] of 0 and 1.
        logits: [B, h, w, C].
        class_weights: [C], mean one; as for dice.
        false_positives: a; the paper's alpha. Its best with b = 0.7.
        false_negatives: b; the paper's beta.
        over: what one index sums over; as for dice.
        smooth: pixels added above and below.
        absent: price of false pixels where the truth is empty; as for dice.

    Returns:
        [B].

    Source: Salehi et al., MLMI 2017, https://arxiv.org/abs/1706.05721, section 2.
    """
    return focal_tversky(
        y_true,
        logits,
        class_weights,
        gamma=1.0,
        false_positives=false_positives,
        false_negatives=false_negatives,
        over=over,
        smooth=smooth,
        absent=absent,
    )


def focal_tversky(
    y_true: Tensor,
    logits: Tensor,
    class_weights: Tensor | None = None,
    *,
    gamma: Annotated[float, Field(ge=1, le=3)] = 4 / 3,
    false_positives: NonNegativeFloat = 0.3,
    false_negatives: NonNegativeFloat = 0.7,
    over: Over = "tile_and_class",
    smooth: PositiveFloat = 1.0,
    absent: Absent = "smoothed",
) -> Tensor:
    """Focal Tversky loss: the Tversky loss of each class to the power 1 / gamma, then the mean.

    A power below 1 is steep near 0: what is nearly right still has a gradient. Where a class is
    absent, a predicted mass of m pixels costs (a m / (a m + s))^(1 / gamma), with tversky's a and
    s: more than there, and most of all for few pixels.

    Args:
        y_true: [B, h, w, C] of 0 and 1.
        logits: [B, h, w, C].
        class_weights: [C], mean one; as for dice.
        gamma: 1 is tversky.
        false_positives: a of tversky; this paper's beta.
        false_negatives: b of tversky; this paper's alpha.
        over: what one index sums over; as for dice.
        smooth: pixels added above and below.
        absent: price of false pixels where the truth is empty, before the power; as for dice.

    Returns:
        [B].

    Source: Abraham and Khan, ISBI 2019, https://arxiv.org/abs/1810.07842, equations 2 and 3.
    """
    y, x, w = as_float32(y_true, logits, class_weights)
    p, axes = tf.sigmoid(x), _AXES[over]
    inside, outside = (w, 1.0) if _CLASS_AXIS in axes else (1.0, w)
    parts = p * y, p * (1.0 - y), tf.sigmoid(-x) * y
    hit, false, missed = (tf.reduce_sum(inside * part, axes, keepdims=True) for part in parts)
    wrong = false_positives * false + false_negatives * missed
    losses = wrong / (hit + wrong + smooth)  # 1 - (hit + s) / (hit + wrong + s), without rounding
    if absent != "smoothed":
        pixels = tf.cast(tf.size(y) // tf.size(losses), tf.float32)
        price = false / pixels if absent == "mean_score" else tf.zeros_like(false)
        losses = tf.where(hit + missed > 0.0, losses, price)
    if gamma != 1.0:
        # Below 1e-20, where no gradient is left anyway, the slope of a root would be infinite.
        losses = tf.maximum(losses, 1e-20) ** (1.0 / gamma)
    return _of_tiles(tf.reduce_mean(outside * losses, [1, 2, 3]), x)


def _of_tiles(losses: Tensor, logits: Tensor) -> Tensor:
    """[B], or one value for the whole batch -> [B]."""
    return tf.broadcast_to(losses, tf.shape(logits)[:1])


def generalized_dice(
    y_true: Tensor,
    logits: Tensor,
    *,
    over: Literal["tile", "batch"] = "tile",
    smooth: PositiveFloat = 1.0,
) -> Tensor:
    """Generalized Dice loss: the Dice loss of all classes at once, small classes weighing more.

    1 - (2 sum_c(w_c sum(p y)) + s) / (sum_c(w_c sum(p + y)) + s), p = sigmoid(logits), s = smooth,
    w_c = (n / n_c)^2, n_c the pixels of class c and n those of the smallest class that is there.
    Without s this is the paper's w_c = 1 / n_c^2; scaled like this, s is in pixels of the smallest
    class and means the same on every tile.

    An absent class has weight 1, that of the smallest: m false pixels of it cost as much as m false
    pixels of the smallest. Where all are absent, they cost m / (m + s), as in dice.

    Args:
        y_true: [B, h, w, C] of 0 and 1.
        logits: [B, h, w, C].
        over: count the pixels of each tile, or of the batch.
        smooth: pixels added above and below.

    Returns:
        [B].

    Source: Sudre et al., DLMIA 2017, https://arxiv.org/abs/1707.03237, section 2.1.
    """
    axes = _AXES[f"{over}_and_class"]
    size = tf.reduce_sum(tf.cast(y_true, tf.float32), axes, keepdims=True)  # [B or 1, 1, 1, C]
    there = size > 0.0
    smallest = tf.reduce_min(tf.where(there, size, size.dtype.max), -1, keepdims=True)
    weights = tf.where(there, (smallest / tf.maximum(size, 1.0)) ** 2, 1.0)
    return dice(y_true, logits, weights, over=over, smooth=smooth)
