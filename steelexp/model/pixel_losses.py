"""Losses that are a mean over pixels: cross-entropy and losses made of it.

`losses` describes signatures and shapes. In every loss here an empty class (no defect pixel in the
tile) costs what its false scores cost, pixel by pixel. False alarms on clean tiles are never free.
"""

from typing import Annotated

from pydantic import Field, NonNegativeFloat

from steelexp.errors import UserError
from steelexp.lazy import Tensor, tf
from steelexp.model.loss_inputs import (
    PerClass,
    Share,
    Smoothing,
    as_float32,
    pixel_mean,
    valid_values,
)

PositiveShare = Annotated[float, Field(gt=0, le=1)]


def bce(
    y_true: Tensor,
    logits: Tensor,
    class_weights: Tensor | None = None,
    valid: Tensor | None = None,
    *,
    label_smoothing: Smoothing = 0.0,
) -> Tensor:
    """Binary cross-entropy, the mean over pixels and classes.

    -(y log p + (1 - y) log(1 - p)) with p = sigmoid(logits). It is weighted_bce with weights of 1.
    Every background pixel counts, and there are many. An empty class costs -log(1 - p) a pixel.

    Args:
        y_true: Ground truth, [B, h, w, C] of 0 and 1.
        logits: Logits, [B, h, w, C].
        class_weights: Weight of each class, [C] with mean one.
        valid: 1 where a pixel counts and 0 where it is ignored, [B, h, w, 1]. None: all count.
        label_smoothing: Share s by which the targets move towards 1/2: 1 - s / 2 for a defect
            pixel, s / 2 for background.

    Returns:
        Loss of each tile, [B].
    """
    return weighted_bce(
        y_true,
        logits,
        class_weights,
        valid,
        positive_weights=(1.0,),
        label_smoothing=label_smoothing,
    )


def weighted_bce(
    y_true: Tensor,
    logits: Tensor,
    class_weights: Tensor | None = None,
    valid: Tensor | None = None,
    *,
    positive_weights: PerClass = (2.0,),
    label_smoothing: Smoothing = 0.0,
) -> Tensor:
    """Binary cross-entropy with a weight on defect pixels, the mean over pixels and classes.

    -(v y log p + (1 - y) log(1 - p)) with p = sigmoid(logits) and v = positive weight of the class.
    A pixel that is a defect half the time is trained towards the score v / (1 + v), not 1 / 2. A
    larger v therefore gives fewer missed pixels and more false ones. An empty class costs the same
    as in bce.

    Args:
        y_true: Ground truth, [B, h, w, C] of 0 and 1.
        logits: Logits, [B, h, w, C].
        class_weights: Weight of each class, [C] with mean one. It applies to all pixels of the
            class, defect and background.
        valid: 1 where a pixel counts and 0 where it is ignored, [B, h, w, 1]. None: all count.
        positive_weights: Weight v of the defect pixels, one for each class or one for all. A medal
            solution on Severstal used 2, 2, 1, 1.5.
        label_smoothing: Share s by which the targets move towards 1/2: 1 - s / 2 for a defect
            pixel, s / 2 for background.

    Returns:
        Loss of each tile, [B].

    Raises:
        UserError: The number of weights is neither one nor the number of classes.

    Source: Xie and Tu, Holistically-nested edge detection, ICCV 2015,
    https://arxiv.org/abs/1504.06375, equation 2. Its two weights are divided by the background's.
    Label smoothing: Szegedy et al., CVPR 2016, https://arxiv.org/abs/1512.00567, section 7, for two
    classes as in Keras' BinaryCrossentropy.
    """
    y, x, w = as_float32(y_true, logits, class_weights, valid)
    losses = _weight_of_truth(y, positive_weights) * _cross_entropy(y, x)
    if label_smoothing:
        other = 1.0 - y
        opposite = _weight_of_truth(other, positive_weights) * _cross_entropy(other, x)
        share = label_smoothing / 2.0
        losses = (1.0 - share) * losses + share * opposite
        if valid is not None:
            losses = tf.where(valid > 0, losses, 0.0)
    return pixel_mean(w * losses, valid)


def _weight_of_truth(y_true: Tensor, positive_weights: tuple[float, ...]) -> Tensor:
    """Positive weight of the class where it is true, and 1 elsewhere."""
    _check_number_of_weights(positive_weights, y_true)
    return y_true * tf.constant(positive_weights, tf.float32) + (1.0 - y_true)


def _cross_entropy(y_true: Tensor, logits: Tensor) -> Tensor:
    """Cross-entropy of each pixel, -log(p_t), for a truth of 0 or 1.

    Not tf.nn.weighted_cross_entropy_with_logits: at a logit of exactly 0 its gradient is 0 for a
    defect pixel and twice the right one for a background pixel.
    """
    return tf.nn.softplus(_signed(y_true, -logits))


def _signed(y_true: Tensor, logits: Tensor) -> Tensor:
    """Logit of the true side: p_t = sigmoid of this."""
    return (2.0 * y_true - 1.0) * logits


def _check_number_of_weights(positive_weights: tuple[float, ...], y_true: Tensor) -> None:
    classes = y_true.shape[-1]
    if classes is not None and len(positive_weights) not in {1, classes}:
        raise UserError(
            f"loss.positive_weights: {len(positive_weights)} weights for {classes} classes; give "
            "one for each class, or one for all"
        )


def topk_bce(
    y_true: Tensor,
    logits: Tensor,
    class_weights: Tensor | None = None,
    valid: Tensor | None = None,
    *,
    share: PositiveShare = 0.1,
) -> Tensor:
    """Binary cross-entropy, the mean over the hardest pixels of each tile.

    The pixels of all classes of a tile are ranked together by their (weighted) cross-entropy. The
    loss is the mean of the k largest, k = ceil(share h w C), without ignored pixels in h w. Pixels
    of equal cost share the last places. share = 1 gives bce. The false alarms of an empty class are
    among the hardest pixels and cost 1 / share times as much as in bce. Its easy background costs
    nothing.

    nnU-Net's TopKLoss ranks the pixels of the whole batch and rounds k down. Here every tile has
    its own ranking, because a loss returns one value for each tile, and k is at least one.

    Args:
        y_true: Ground truth, [B, h, w, C] of 0 and 1.
        logits: Logits, [B, h, w, C].
        class_weights: Weight of each class, [C] with mean one. The ranking uses it too.
        valid: 1 where a pixel counts and 0 where it is ignored, [B, h, w, 1]. None: all count.
        share: Share of a tile's h w C values that counts.

    Returns:
        Loss of each tile, [B].

    Source: Wu, Shen and van den Hengel, https://arxiv.org/abs/1605.06885 (online bootstrapping). It
    has a threshold where this has a share.
    """
    y, x, w = as_float32(y_true, logits, class_weights, valid)
    losses = w * _cross_entropy(y, x)
    flat = tf.reshape(losses, [tf.shape(losses)[0], -1])  # [B, h * w * C]
    most = tf.math.ceil(share * tf.cast(tf.shape(flat)[1], tf.float64))
    largest = tf.math.top_k(flat, tf.cast(most, tf.int32), sorted=valid is not None).values
    if valid is None:
        count = tf.cast(most, tf.float32)
        least = tf.reduce_min(largest, 1, keepdims=True)
    else:
        values = tf.cast(valid_values(losses, valid, (1, 2, 3)), tf.float64)
        places = tf.math.ceil(share * values)[:, 0, 0, 0]  # [B]; the ignored cost 0 and come last
        count = tf.cast(places, tf.float32)
        least = tf.gather(largest, tf.cast(places, tf.int32)[:, None] - 1, batch_dims=1)
    weights = tf.stop_gradient(_weights_of_largest(flat, least, count))
    return tf.reduce_sum(weights * flat, 1) / count


def _weights_of_largest(values: Tensor, least: Tensor, count: Tensor) -> Tensor:
    """Weights [B, N] that sum to `count` in each row: 1 above `least`, the smallest of the largest.

    The values of tf.math.top_k have a gradient, but it is a scatter, and under op determinism
    scatters leave the GPU (release notes of TensorFlow 2.8).
    """
    above = tf.cast(values > least, tf.float32)
    equal = tf.cast(tf.equal(values, least), tf.float32)
    places = tf.reshape(count, [-1, 1]) - tf.reduce_sum(above, 1, keepdims=True)
    return above + equal * places / tf.reduce_sum(equal, 1, keepdims=True)


def focal(
    y_true: Tensor,
    logits: Tensor,
    class_weights: Tensor | None = None,
    valid: Tensor | None = None,
    *,
    gamma: NonNegativeFloat = 2.0,
    alpha: Share = 0.25,
) -> Tensor:
    """Focal loss, the mean over pixels and classes.

    -a_t (1 - p_t)^gamma log(p_t). p_t is p where y = 1 and 1 - p elsewhere. a_t is alpha where
    y = 1 and 1 - alpha elsewhere. With gamma = 0 and alpha = 0.5 it is half the binary
    cross-entropy. Well-classified background costs next to nothing, and so does an empty class that
    is not predicted.

    Args:
        y_true: Ground truth, [B, h, w, C] of 0 and 1.
        logits: Logits, [B, h, w, C].
        class_weights: Weight of each class, [C] with mean one.
        valid: 1 where a pixel counts and 0 where it is ignored, [B, h, w, 1]. None: all count.
        gamma: Focusing parameter: how strongly easy pixels are down-weighted. 0 means not at all.
        alpha: Weight of defect pixels. Background pixels have 1 - alpha. The paper's 0.25 gives
            positives a third of the negatives' weight; it was tuned with gamma = 2 on COCO.

    Returns:
        Loss of each tile, [B].

    Source: Lin et al., ICCV 2017, https://arxiv.org/abs/1708.02002, equation 5.
    """
    return asymmetric_focal(
        y_true,
        logits,
        class_weights,
        valid,
        defect_gamma=gamma,
        background_gamma=gamma,
        alpha=alpha,
    )


def asymmetric_focal(
    y_true: Tensor,
    logits: Tensor,
    class_weights: Tensor | None,
    valid: Tensor | None,
    *,
    defect_gamma: float,
    background_gamma: float,
    alpha: float,
    positive_weights: tuple[float, ...] = (1.0,),
) -> Tensor:
    """Focal loss with one gamma for defect and one for background; the general form of `focal`.

    Args:
        y_true: Ground truth, [B, h, w, C] of 0 and 1.
        logits: Logits, [B, h, w, C].
        class_weights: Weight of each class, [C] with mean one, or None.
        valid: 1 where a pixel counts and 0 where it is ignored, [B, h, w, 1]. None: all count.
        defect_gamma: Focusing parameter of defect pixels.
        background_gamma: Focusing parameter of background pixels.
        alpha: Weight of defect pixels. Background pixels have 1 - alpha.
        positive_weights: Further weight of the defect pixels, one for each class or one for all.

    Returns:
        Loss of each tile, [B].
    """
    y, x, w = as_float32(y_true, logits, class_weights, valid)
    _check_number_of_weights(positive_weights, y)
    defect_weights = tf.constant([alpha * weight for weight in positive_weights], tf.float32)
    weight = defect_weights * y + (1.0 - alpha) * (1.0 - y)
    gamma = defect_gamma * y + background_gamma * (1.0 - y)
    # Not (1 - p_t)^gamma: its gradient is NaN where p_t rounds to 1 and gamma is below 1.
    focus = tf.exp(-gamma * tf.nn.softplus(_signed(y, x)))
    return pixel_mean(w * weight * focus * _cross_entropy(y, x), valid)
