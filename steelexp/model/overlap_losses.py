"""Losses that are ratios of overlap: Tversky's index and its special cases.

`losses` describes signatures and shapes. Counts are soft: with p = sigmoid(logits), a pixel adds
p y to the true positives, p (1 - y) to the false positives and (1 - p) y to the false negatives.
"""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from steelexp.lazy import Tensor, tf
from steelexp.model.loss_inputs import EmptyClass, Reduce, as_float32, valid_values

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
    valid: Tensor | None = None,
    *,
    reduce: Reduce = "tile_and_class",
    smooth: PositiveFloat = 1.0,
    empty_class: EmptyClass = "smoothed",
) -> Tensor:
    """Soft Dice loss.

    1 - (2 sum(p y) + s) / (sum(p) + sum(y) + s) with p = sigmoid(logits) and s = smooth. `reduce`
    sets the pixels of one coefficient; the loss is the mean over the coefficients. It is tversky
    with weights 1/2 of false positives and of false negatives and with smooth s / 2.

    A class is empty where it has no defect pixel. Its loss is then m / (m + s) with m = sum(p), the
    soft count of false pixels. With s = 1 it is 0.5 for one certain false pixel, and nearly flat
    from there on. `empty_class` offers other losses. A coefficient of the whole batch or of all
    classes hides an empty or a rare class behind the others.

    Args:
        y_true: Ground truth, [B, h, w, C] of 0 and 1.
        logits: Logits, [B, h, w, C].
        class_weights: Weight of each class, [C] with mean one. It multiplies the loss of the class,
            or the sums of the class where `reduce` pools the classes.
        valid: 1 where a pixel counts and 0 where it is ignored, [B, h, w, 1]. None: all count.
        reduce: Pixels of one coefficient: each class of each tile (tile_and_class), each tile
            (tile), each class of the batch (batch_and_class) or the whole batch (batch, common in
            Keras notebooks).
        smooth: Pixels added to numerator and denominator.
        empty_class: Loss of an empty class of n pixels: smoothed takes the formula, mean_score
            takes m / n, which grows with every false pixel, and nothing takes 0, which ignores
            false pixels.

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
        valid,
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
    valid: Tensor | None = None,
    *,
    reduce: Reduce = "tile_and_class",
    smooth: PositiveFloat = 1.0,
    empty_class: EmptyClass = "smoothed",
) -> Tensor:
    """Soft Jaccard loss, 1 - IoU.

    1 - (sum(p y) + s) / (sum(p) + sum(y) - sum(p y) + s) with p = sigmoid(logits) and s = smooth.
    It is tversky with weights 1 and 1. The loss of an empty class is m / (m + s) with m = sum(p).

    Args:
        y_true: Ground truth, [B, h, w, C] of 0 and 1.
        logits: Logits, [B, h, w, C].
        class_weights: Weight of each class, [C] with mean one. It multiplies the loss of the class,
            or the sums of the class where `reduce` pools the classes.
        valid: 1 where a pixel counts and 0 where it is ignored, [B, h, w, 1]. None: all count.
        reduce: Pixels of one index: each class of each tile (tile_and_class), each tile (tile),
            each class of the batch (batch_and_class) or the whole batch (batch).
        smooth: Pixels added to numerator and denominator.
        empty_class: Loss of a class without defect pixels: smoothed takes the formula, mean_score
            takes the mean of its probabilities, nothing takes 0.

    Returns:
        Loss of each tile, [B].

    Source: Rahman and Wang, ISVC 2016, https://doi.org/10.1007/978-3-319-50835-1_22.
    """
    return tversky(
        y_true,
        logits,
        class_weights,
        valid,
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
    valid: Tensor | None = None,
    *,
    false_positives: NonNegativeFloat = 0.3,
    false_negatives: NonNegativeFloat = 0.7,
    reduce: Reduce = "tile_and_class",
    smooth: PositiveFloat = 1.0,
    empty_class: EmptyClass = "smoothed",
) -> Tensor:
    """Tversky loss: Dice with separate weights of false positives and false negatives.

    1 - (sum(p y) + s) / (sum(p y) + a sum(p (1 - y)) + b sum((1 - p) y) + s) with p =
    sigmoid(logits), a = false_positives, b = false_negatives and s = smooth. It is focal_tversky
    with gamma = 1. The loss of an empty class is a m / (a m + s) with m = sum(p).

    Args:
        y_true: Ground truth, [B, h, w, C] of 0 and 1.
        logits: Logits, [B, h, w, C].
        class_weights: Weight of each class, [C] with mean one. It multiplies the loss of the class,
            or the sums of the class where `reduce` pools the classes.
        valid: 1 where a pixel counts and 0 where it is ignored, [B, h, w, 1]. None: all count.
        false_positives: Weight a of false positives; the paper's alpha. a = 0.3 with b = 0.7 was
            the best in the paper.
        false_negatives: Weight b of false negatives; the paper's beta.
        reduce: Pixels of one index: each class of each tile (tile_and_class), each tile (tile),
            each class of the batch (batch_and_class) or the whole batch (batch).
        smooth: Pixels added to numerator and denominator.
        empty_class: Loss of a class without defect pixels: smoothed takes the formula, mean_score
            takes the mean of its probabilities, nothing takes 0.

    Returns:
        Loss of each tile, [B].

    Source: Salehi et al., MLMI 2017, https://arxiv.org/abs/1706.05721, section 2.
    """
    return focal_tversky(
        y_true,
        logits,
        class_weights,
        valid,
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
    valid: Tensor | None = None,
    *,
    gamma: Annotated[float, Field(ge=1, le=3)] = 4 / 3,
    false_positives: NonNegativeFloat = 0.3,
    false_negatives: NonNegativeFloat = 0.7,
    reduce: Reduce = "tile_and_class",
    smooth: PositiveFloat = 1.0,
    empty_class: EmptyClass = "smoothed",
) -> Tensor:
    """Focal Tversky loss: the Tversky loss of each class to the power 1 / gamma, then the mean.

    A power below 1 is steep near 0, so a nearly correct class still has a gradient. The loss
    of an empty class is (a m / (a m + s))^(1 / gamma) with m = sum(p). That is more than with
    tversky, most of all for few false pixels.

    Args:
        y_true: Ground truth, [B, h, w, C] of 0 and 1.
        logits: Logits, [B, h, w, C].
        class_weights: Weight of each class, [C] with mean one. It multiplies the loss of the class,
            or the sums of the class where `reduce` pools the classes.
        valid: 1 where a pixel counts and 0 where it is ignored, [B, h, w, 1]. None: all count.
        gamma: Focusing parameter: inverse of the power. 1 gives tversky.
        false_positives: Weight a of false positives, see tversky; this paper's beta.
        false_negatives: Weight b of false negatives, see tversky; this paper's alpha.
        reduce: Pixels of one index: each class of each tile (tile_and_class), each tile (tile),
            each class of the batch (batch_and_class) or the whole batch (batch).
        smooth: Pixels added to numerator and denominator.
        empty_class: Loss of a class without defect pixels, before the power: smoothed takes the
            formula, mean_score takes the mean of its probabilities, nothing takes 0.

    Returns:
        Loss of each tile, [B].

    Source: Abraham and Khan, ISBI 2019, https://arxiv.org/abs/1810.07842, equations 2 and 3.
    """
    y, x, w = as_float32(y_true, logits, class_weights, valid)
    p = tf.sigmoid(x)
    axes = _AXES[reduce]
    # Class weights multiply the sums where an index pools the classes, otherwise the losses.
    sum_weights, loss_weights = (w, 1.0) if _CLASS_AXIS in axes else (1.0, w)
    parts = p * y, p * (1.0 - y), tf.sigmoid(-x) * y
    tp, fp, fn = (tf.reduce_sum(sum_weights * part, axes, keepdims=True) for part in parts)
    errors = false_positives * fp + false_negatives * fn
    losses = errors / (tp + errors + smooth)  # 1 - (tp + s) / (tp + errors + s), without rounding
    if empty_class != "smoothed":
        mean_score = fp / _pixels_of_index(y, valid, axes)
        cost = mean_score if empty_class == "mean_score" else tf.zeros_like(fp)
        losses = tf.where(tp + fn > 0.0, losses, cost)
    if gamma != 1.0:
        # The root's slope at 0 is infinite; the bound makes the gradient below 1e-20 zero instead.
        losses = tf.maximum(losses, 1e-20) ** (1.0 / gamma)
    return _broadcast_to_tiles(tf.reduce_mean(loss_weights * losses, [1, 2, 3]), x)


def _pixels_of_index(values: Tensor, valid: Tensor | None, axes: tuple[int, ...]) -> Tensor:
    """Number of values that one index sums over; of each index where some are ignored."""
    if valid is None:
        shape = tf.shape(values)
        return tf.cast(tf.reduce_prod(tf.gather(shape, axes)), tf.float32)
    return valid_values(values, valid, axes)


def _broadcast_to_tiles(losses: Tensor, logits: Tensor) -> Tensor:
    """[B] losses of the tiles, or [1] loss of the whole batch -> [B] losses of the tiles."""
    return tf.broadcast_to(losses, tf.shape(logits)[:1])


def generalized_dice(
    y_true: Tensor,
    logits: Tensor,
    valid: Tensor | None = None,
    *,
    reduce: Literal["tile", "batch"] = "tile",
    smooth: PositiveFloat = 1.0,
) -> Tensor:
    """Generalized Dice loss: the Dice loss of all classes at once, with more weight on small ones.

    1 - (2 sum_c(w_c sum(p y)) + s) / (sum_c(w_c sum(p + y)) + s) with p = sigmoid(logits), s =
    smooth and w_c = (n / n_c)^2. n_c is the number of pixels of class c. n is the smallest n_c
    above 0. The paper has w_c = 1 / n_c^2; n^2 cancels there, because the paper has no s. With it
    the smallest class has weight 1, so s counts its pixels.

    An empty class has weight 1, like the smallest class. Where all classes are empty, the loss is
    m / (m + s) with m = sum(p), as with dice.

    Args:
        y_true: Ground truth, [B, h, w, C] of 0 and 1.
        logits: Logits, [B, h, w, C].
        valid: 1 where a pixel counts and 0 where it is ignored, [B, h, w, 1]. None: all count.
        reduce: Pixels that are counted together: each tile, or the whole batch.
        smooth: Pixels added to numerator and denominator.

    Returns:
        Loss of each tile, [B].

    Source: Sudre et al., DLMIA 2017, https://arxiv.org/abs/1707.03237, section 2.1.
    """
    axes = _AXES[f"{reduce}_and_class"]
    y = as_float32(y_true, logits, None, valid)[0]
    counts = tf.reduce_sum(y, axes, keepdims=True)  # [B or 1, 1, 1, C]
    occurs = counts > 0.0
    smallest = tf.reduce_min(tf.where(occurs, counts, counts.dtype.max), -1, keepdims=True)
    weights = tf.where(occurs, (smallest / tf.maximum(counts, 1.0)) ** 2, 1.0)
    return dice(y_true, logits, weights, valid, reduce=reduce, smooth=smooth)
