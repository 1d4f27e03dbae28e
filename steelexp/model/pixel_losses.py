"""Losses that are a mean over pixels: cross-entropy and what is made of it.

Signatures and shapes are those of `losses`. In each, a class that is absent costs what its false
scores cost, pixel by pixel, so that false alarms on clean tiles are never free.
"""

from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat, Strict

from steelexp.errors import UserError
from steelexp.lazy import Tensor, tf
from steelexp.model.loss_inputs import Share, as_float32

PerClass = Annotated[tuple[PositiveFloat, ...], Strict(False), Field(min_length=1)]
PositiveShare = Annotated[float, Field(gt=0, le=1)]


def bce(y_true: Tensor, logits: Tensor, class_weights: Tensor | None = None) -> Tensor:
    """Binary cross-entropy, the mean over pixels and classes.

    -(y log p + (1 - y) log(1 - p)), p = sigmoid(logits); weighted_bce with ones. An absent class
    costs -log(1 - p) a pixel: every background pixel counts, and there are many.

    Args:
        y_true: [B, h, w, C] of 0 and 1.
        logits: [B, h, w, C].
        class_weights: [C], mean one.

    Returns:
        [B].
    """
    return weighted_bce(y_true, logits, class_weights, positive_weights=(1.0,))


def weighted_bce(
    y_true: Tensor,
    logits: Tensor,
    class_weights: Tensor | None = None,
    *,
    positive_weights: PerClass = (2.0,),
) -> Tensor:
    """Binary cross-entropy with heavier defect pixels, the mean over pixels and classes.

    -(v y log p + (1 - y) log(1 - p)), p = sigmoid(logits), v = the class's positive weight. An
    absent class costs what it costs in bce. A pixel that is a defect half the time gets the score
    v / (1 + v) in place of 1 / 2, so v trades missed pixels for false ones.

    Args:
        y_true: [B, h, w, C] of 0 and 1.
        logits: [B, h, w, C].
        class_weights: [C], mean one; of all pixels of a class, not of its defects only.
        positive_weights: v of each class, or one for all. 2, 2, 1, 1.5 in a medal solution on
            Severstal.

    Returns:
        [B].

    Raises:
        UserError: neither one weight nor one for each class.

    Source: Xie and Tu, Holistically-nested edge detection, ICCV 2015,
    https://arxiv.org/abs/1504.06375, equation 2, whose two weights are here divided by the
    background's.
    """
    _refuse_other_classes(positive_weights, logits)
    y, x, w = as_float32(y_true, logits, class_weights)
    losses = tf.nn.weighted_cross_entropy_with_logits(
        labels=y, logits=x, pos_weight=tf.constant(positive_weights, tf.float32)
    )
    return tf.reduce_mean(w * losses, [1, 2, 3])


def _refuse_other_classes(positive_weights: tuple[float, ...], logits: Tensor) -> None:
    classes = logits.shape[-1]
    if classes is not None and len(positive_weights) not in {1, classes}:
        raise UserError(
            f"loss.positive_weights: {len(positive_weights)} weights for {classes} classes; give "
            "one for each class, or one for all"
        )


def topk_bce(
    y_true: Tensor,
    logits: Tensor,
    class_weights: Tensor | None = None,
    *,
    share: PositiveShare = 0.1,
) -> Tensor:
    """Binary cross-entropy, the mean over the hardest pixels of each tile.

    The pixels of all classes are ranked together by their (weighted) cross-entropy; the mean over
    the ceil(share h w C) largest. share = 1 is bce. Pixels of equal cost share the last places.
    Where a class is absent, its false alarms are among the hardest pixels and cost 1 / share times
    what they cost in bce; its easy background costs nothing.

    Args:
        y_true: [B, h, w, C] of 0 and 1.
        logits: [B, h, w, C].
        class_weights: [C], mean one; they count in the ranking too.
        share: of the pixels and classes of a tile that count.

    Returns:
        [B].

    Source: Wu, Shen and van den Hengel, https://arxiv.org/abs/1605.06885 (online
    bootstrapping), with a share in place of a threshold, as in nnU-Net.
    """
    y, x, w = as_float32(y_true, logits, class_weights)
    losses = w * tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=x)
    losses = tf.reshape(losses, [tf.shape(losses)[0], -1])  # [B, h * w * C]
    count = tf.math.ceil(share * tf.cast(tf.shape(losses)[1], tf.float64))
    weights = tf.stop_gradient(_largest(losses, tf.cast(count, tf.int32)))
    return tf.reduce_sum(weights * losses, 1) / tf.cast(count, tf.float32)


def _largest(values: Tensor, count: Tensor) -> Tensor:
    """Weights [B, N] that sum to `count` a row: 1 above the smallest of the `count` largest.

    The values of tf.math.top_k have a gradient, but it is a scatter, and under op determinism
    scatters leave the GPU (release notes of TensorFlow 2.8).
    """
    least = tf.reduce_min(tf.math.top_k(values, count, sorted=False).values, 1, keepdims=True)
    above = tf.cast(values > least, tf.float32)
    tied = tf.cast(tf.equal(values, least), tf.float32)
    left = tf.cast(count, tf.float32) - tf.reduce_sum(above, 1, keepdims=True)
    return above + tied * left / tf.reduce_sum(tied, 1, keepdims=True)


def focal(
    y_true: Tensor,
    logits: Tensor,
    class_weights: Tensor | None = None,
    *,
    gamma: NonNegativeFloat = 2.0,
    alpha: Share = 0.25,
) -> Tensor:
    """Focal loss, the mean over pixels and classes.

    -a_t (1 - p_t)^gamma log(p_t); p_t = p where y = 1 and 1 - p elsewhere, a_t likewise from alpha.
    gamma = 0, alpha = 0.5 is half the binary cross-entropy. Well-classified background, and with it
    a class that is absent and not predicted, costs next to nothing.

    Args:
        y_true: [B, h, w, C] of 0 and 1.
        logits: [B, h, w, C].
        class_weights: [C], mean one.
        gamma: how strongly easy pixels are discounted.
        alpha: weight of defect pixels; background has 1 - alpha. The paper's 0.25 gives positives a
            third of the negatives' weight, tuned with gamma = 2 on COCO.

    Returns:
        [B].

    Source: Lin et al., ICCV 2017, https://arxiv.org/abs/1708.02002, equation 5.
    """
    return asymmetric_focal(
        y_true, logits, class_weights, defect_gamma=gamma, background_gamma=gamma, alpha=alpha
    )


def asymmetric_focal(
    y_true: Tensor,
    logits: Tensor,
    class_weights: Tensor | None,
    *,
    defect_gamma: float,
    background_gamma: float,
    alpha: float,
) -> Tensor:
    """Focal loss whose gamma differs between defect and background; the general form of `focal`.

    Args:
        y_true: [B, h, w, C] of 0 and 1.
        logits: [B, h, w, C].
        class_weights: [C], mean one, or None.
        defect_gamma: how strongly easy defect pixels are discounted.
        background_gamma: how strongly easy background pixels are discounted.
        alpha: weight of defect pixels; background has 1 - alpha.

    Returns:
        [B].
    """
    y, x, w = as_float32(y_true, logits, class_weights)
    margin = (2.0 * y - 1.0) * x  # p_t = sigmoid(margin), -log(p_t) = softplus(-margin)
    weight = alpha * y + (1.0 - alpha) * (1.0 - y)
    gamma = defect_gamma * y + background_gamma * (1.0 - y)
    # Not (1 - p_t)^gamma: its gradient is NaN where p_t rounds to 1 and gamma is below 1.
    discount = tf.exp(-gamma * tf.nn.softplus(margin))
    return tf.reduce_mean(w * weight * discount * tf.nn.softplus(-margin), [1, 2, 3])
