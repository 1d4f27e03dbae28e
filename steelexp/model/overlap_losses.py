"""Losses that are ratios of overlap: Tversky's index and its special cases.

`losses` describes signatures and shapes. Counts are soft: with p = sigmoid(logits), a pixel adds
p y to the true positives, p (1 - y) to the false positives and (1 - p) y to the false negatives.
"""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from steelexp.lazy import Tensor, tf
from steelexp.model.loss_inputs import EmptyClass, Reduce, as_float32

# Axes of [B, h, w, C] that one index sums over.
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
    reduce: Reduce = "tile_and_class",
    smooth: PositiveFloat = 1.0,
    empty_class: EmptyClass = "smoothed",
) -> Tensor:
    """Soft Dice loss.

    1 - (2 sum(p y) + s) / (sum(p) + sum(y) + s) with p = sigmoid(logits) and s = smooth. The loss
    is the mean over the coefficients. It is tversky with prices 1/2 and 1/2 and smooth s / 2.

    An empty class costs 0 without a prediction, and m / (m + s) with a predicted mass of m pixels.
    With s = 1 one certain false pixel costs 0.5; beyond that the loss is nearly flat. `empty_class`
    offers other costs. A coefficient of the whole batch or of all classes hides an empty or a rare
    class behind the others.

    Args:
        y_true: Ground truth, [B, h, w, C] of 0 and 1.
        logits: Logits, [B, h, w, C].
        class_weights: Weight of each class, [C] with mean one. It multiplies the loss of the class,
            or the sums of the class where `reduce` pools the classes.
        reduce: Pixels of one coefficient: each class of each tile, each tile, each class of the
            batch, or the whole batch (Keras notebooks).
        smooth: Pixels added to numerator and denominator.
        empty_class: Loss of a class without defect pixels, of m false pixels among n: smoothed
            takes the formula, mean_score takes m / n, which grows with every pixel, and nothing
            takes 0, which makes false alarms free.

    Returns:
        Loss of each tile, [B].

    Source: Drozdzal et al., DLMIA 2016, https://arxiv.org/abs/1608.04117, and nnU-Net,
    https://arxiv.org/abs/1809.10486, with the smoothing of Keras notebooks. V-Net, Milletari et
    al., https://arxiv.org/abs/1606.04797, has squares in the denominator, sum(p^2) + sum(y^2);
    this loss has none.
    """
    return tversky(
        y_true,
        logits,
        class_weights,
        false_positives=0.5,
        false_negatives=0.5,
        reduce=reduce,
        smooth=smooth / 2.0,
        empty_class=empty_class,
    )


def jaccard(
    y_true: Tensor,
    logits: Tensor,
    class_weights: Tensor | None = None,
    *,
    reduce: Reduce = "tile_and_class",
    smooth: PositiveFloat = 1.0,
    empty_class: EmptyClass = "smoothed",
) -> Tensor:
    """Soft Jaccard loss, 1 - IoU.

    1 - (sum(p y) + s) / (sum(p) + sum(y) - sum(p y) + s) with p = sigmoid(logits) and s = smooth.
    It is tversky with prices 1 and 1. An empty class costs m / (m + s) for a predicted mass of m
    pixels.

    Args:
        y_true: Ground truth, [B, h, w, C] of 0 and 1.
        logits: Logits, [B, h, w, C].
        class_weights: Weight of each class, [C] with mean one. It multiplies the loss of the class,
            or the sums of the class where `reduce` pools the classes.
        reduce: Pixels of one index: each class of each tile, each tile, each class of the batch, or
            the whole batch.
        smooth: Pixels added to numerator and denominator.
        empty_class: Loss of a class without defect pixels: smoothed takes the formula, mean_score
            the mean of its scores, nothing 0.

    Returns:
        Loss of each tile, [B].

    Source: Rahman and Wang, ISVC 2016, https://doi.org/10.1007/978-3-319-50835-1_22.
    """
    return tversky(
        y_true,
        logits,
        class_weights,
        false_positives=1.0,
        false_negatives=1.0,
        reduce=reduce,
        smooth=smooth,
        empty_class=empty_class,
    )


def tversky(
    y_true: Tensor,
    logits: Tensor,
    class_weights: Tensor | None = None,
    *,
    false_positives: NonNegativeFloat = 0.3,
    false_negatives: NonNegativeFloat = 0.7,
    reduce: Reduce = "tile_and_class",
    smooth: PositiveFloat = 1.0,
    empty_class: EmptyClass = "smoothed",
) -> Tensor:
    """Tversky loss: Dice with separate prices of false positives and false negatives.

    1 - (sum(p y) + s) / (sum(p y) + a sum(p (1 - y)) + b sum((1 - p) y) + s) with p =
    sigmoid(logits), a = false_positives, b = false_negatives and s = smooth. It is focal_tversky
    with gamma = 1. An empty class costs a m / (a m + s) for a predicted mass of m pixels.

    Args:
        y_true: Ground truth, [B, h, w, C] of 0 and 1.
        logits: Logits, [B, h, w, C].
        class_weights: Weight of each class, [C] with mean one. It multiplies the loss of the class,
            or the sums of the class where `reduce` pools the classes.
        false_positives: Price a of false positives; the paper's alpha. 0.3 with b = 0.7 was its
            best.
        false_negatives: Price b of false negatives; the paper's beta.
        reduce: Pixels of one index: each class of each tile, each tile, each class of the batch, or
            the whole batch.
        smooth: Pixels added to numerator and denominator.
        empty_class: Loss of a class without defect pixels: smoothed takes the formula, mean_score
            the mean of its scores, nothing 0.

    Returns:
        Loss of each tile, [B].

    Source: Salehi et al., MLMI 2017, https://arxiv.org/abs/1706.05721, section 2.
    """
    return focal_tversky(
        y_true,
        logits,
        class_weights,
        gamma=1.0,
        false_positives=false_positives,
        false_negatives=false_negatives,
        reduce=reduce,
        smooth=smooth,
        empty_class=empty_class,
    )


def focal_tversky(
    y_true: Tensor,
    logits: Tensor,
    class_weights: Tensor | None = None,
    *,
    gamma: Annotated[float, Field(ge=1, le=3)] = 4 / 3,
    false_positives: NonNegativeFloat = 0.3,
    false_negatives: NonNegativeFloat = 0.7,
    reduce: Reduce = "tile_and_class",
    smooth: PositiveFloat = 1.0,
    empty_class: EmptyClass = "smoothed",
) -> Tensor:
    """Focal Tversky loss: the Tversky loss of each class to the power 1 / gamma, then the mean.

    A power below 1 is steep near 0, so a nearly correct class still has a gradient. An empty class
    costs (a m / (a m + s))^(1 / gamma) for a predicted mass of m pixels. That is more than with
    tversky, and the difference is largest for few pixels.

    Args:
        y_true: Ground truth, [B, h, w, C] of 0 and 1.
        logits: Logits, [B, h, w, C].
        class_weights: Weight of each class, [C] with mean one. It multiplies the loss of the class,
            or the sums of the class where `reduce` pools the classes.
        gamma: Focusing parameter: inverse of the power. 1 gives tversky.
        false_positives: Price a of false positives, see tversky; this paper's beta.
        false_negatives: Price b of false negatives, see tversky; this paper's alpha.
        reduce: Pixels of one index: each class of each tile, each tile, each class of the batch, or
            the whole batch.
        smooth: Pixels added to numerator and denominator.
        empty_class: Loss of a class without defect pixels, before the power: smoothed takes the
            formula, mean_score the mean of its scores, nothing 0.

    Returns:
        Loss of each tile, [B].

    Source: Abraham and Khan, ISBI 2019, https://arxiv.org/abs/1810.07842, equations 2 and 3.
    """
    y, x, w = as_float32(y_true, logits, class_weights)
    p, axes = tf.sigmoid(x), _AXES[reduce]
    inside, outside = (w, 1.0) if _CLASS_AXIS in axes else (1.0, w)
    parts = p * y, p * (1.0 - y), tf.sigmoid(-x) * y
    tp, fp, fn = (tf.reduce_sum(inside * part, axes, keepdims=True) for part in parts)
    errors = false_positives * fp + false_negatives * fn
    losses = errors / (tp + errors + smooth)  # 1 - (tp + s) / (tp + errors + s), without rounding
    if empty_class != "smoothed":
        pixels = tf.cast(tf.size(y) // tf.size(losses), tf.float32)
        cost = fp / pixels if empty_class == "mean_score" else tf.zeros_like(fp)
        losses = tf.where(tp + fn > 0.0, losses, cost)
    if gamma != 1.0:
        # Below 1e-20, where no gradient is left anyway, the slope of a root would be infinite.
        losses = tf.maximum(losses, 1e-20) ** (1.0 / gamma)
    return _broadcast_to_tiles(tf.reduce_mean(outside * losses, [1, 2, 3]), x)


def _broadcast_to_tiles(losses: Tensor, logits: Tensor) -> Tensor:
    """[B], or one value for the whole batch -> [B]."""
    return tf.broadcast_to(losses, tf.shape(logits)[:1])


def generalized_dice(
    y_true: Tensor,
    logits: Tensor,
    *,
    reduce: Literal["tile", "batch"] = "tile",
    smooth: PositiveFloat = 1.0,
) -> Tensor:
    """Generalized Dice loss: the Dice loss of all classes at once, with more weight on small ones.

    1 - (2 sum_c(w_c sum(p y)) + s) / (sum_c(w_c sum(p + y)) + s) with p = sigmoid(logits), s =
    smooth and w_c = (n / n_c)^2. n_c is the number of pixels of class c, n that of the smallest
    class that occurs. Without s this is the paper's w_c = 1 / n_c^2. The scaling gives s the unit
    of pixels of the smallest class, on every tile.

    An empty class has weight 1, like the smallest class: a false pixel of either costs the same.
    Where all classes are empty, m false pixels cost m / (m + s), as with dice.

    Args:
        y_true: Ground truth, [B, h, w, C] of 0 and 1.
        logits: Logits, [B, h, w, C].
        reduce: Pixels that are counted together: each tile, or the whole batch.
        smooth: Pixels added to numerator and denominator.

    Returns:
        Loss of each tile, [B].

    Source: Sudre et al., DLMIA 2017, https://arxiv.org/abs/1707.03237, section 2.1.
    """
    axes = _AXES[f"{reduce}_and_class"]
    size = tf.reduce_sum(tf.cast(y_true, tf.float32), axes, keepdims=True)  # [B or 1, 1, 1, C]
    occurs = size > 0.0
    smallest = tf.reduce_min(tf.where(occurs, size, size.dtype.max), -1, keepdims=True)
    weights = tf.where(occurs, (smallest / tf.maximum(size, 1.0)) ** 2, 1.0)
    return dice(y_true, logits, weights, reduce=reduce, smooth=smooth)
