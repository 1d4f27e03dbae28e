"""Losses on logits.

Each is `(y_true [B, h, w, C], logits [B, h, w, C], *, settings) -> [B]`, one value a tile; the mean
over the batch is taken once, by the training step. y_true holds 0 and 1; logits are float32.
"""

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from steelexp.lazy import Tensor, tf

Share = Annotated[float, Field(ge=0, le=1)]
Over = Literal["tile_and_class", "tile", "batch_and_class", "batch"]

# The axes of [B, h, w, C] that one Dice coefficient sums over.
_AXES: dict[str, tuple[int, ...]] = {
    "tile_and_class": (1, 2),
    "tile": (1, 2, 3),
    "batch_and_class": (0, 1, 2),
    "batch": (0, 1, 2, 3),
}


def dice(
    y_true: Tensor, logits: Tensor, *, over: Over = "tile_and_class", smooth: PositiveFloat = 1.0
) -> Tensor:
    """Soft Dice loss.

    1 - (2 sum(p y) + s) / (sum(p) + sum(y) + s), p = sigmoid(logits), s = smooth; the mean over the
    coefficients that `over` leaves.

    Where a class is absent, no prediction costs 0 and a predicted mass of m pixels m / (m + s):
    with s = 1 one certain false pixel costs 0.5, and beyond that the loss is nearly flat. Summing
    over the batch or over all classes hides an absent or a rare class behind the others.

    Args:
        y_true: [B, h, w, C] of 0 and 1.
        logits: [B, h, w, C].
        over: what one coefficient sums over: each class of each tile, each tile, each class of the
            batch, or everything at once (the published loss).
        smooth: pixels added above and below.

    Returns:
        [B].

    Source: Milletari et al., V-Net, 3DV 2016, https://arxiv.org/abs/1606.04797, section 3, with the
    smoothing of its Keras implementations.
    """
    p, axes = tf.sigmoid(logits), _AXES[over]
    overlap = tf.reduce_sum(p * y_true, axes, keepdims=True)
    total = tf.reduce_sum(p, axes, keepdims=True) + tf.reduce_sum(y_true, axes, keepdims=True)
    loss = tf.reduce_mean(1.0 - (2.0 * overlap + smooth) / (total + smooth), [1, 2, 3])
    return tf.broadcast_to(loss, tf.shape(logits)[:1])  # [B]


def bce(y_true: Tensor, logits: Tensor) -> Tensor:
    """Binary cross-entropy, the mean over pixels and classes.

    -(y log p + (1 - y) log(1 - p)), p = sigmoid(logits). A class that is absent costs what its
    false scores cost: every background pixel counts.

    Args:
        y_true: [B, h, w, C] of 0 and 1.
        logits: [B, h, w, C].

    Returns:
        [B].
    """
    losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=y_true, logits=logits)
    return tf.reduce_mean(losses, [1, 2, 3])


def bce_dice(
    y_true: Tensor,
    logits: Tensor,
    *,
    bce_weight: Share = 0.5,
    over: Over = "tile_and_class",
    smooth: PositiveFloat = 1.0,
) -> Tensor:
    """Binary cross-entropy and Dice: w bce + (1 - w) dice.

    Args:
        y_true: [B, h, w, C] of 0 and 1.
        logits: [B, h, w, C].
        bce_weight: w. 0.75 in several medal solutions on Severstal.
        over: as for dice.
        smooth: as for dice.

    Returns:
        [B].
    """
    overlap = dice(y_true, logits, over=over, smooth=smooth)
    return bce_weight * bce(y_true, logits) + (1.0 - bce_weight) * overlap


def focal(
    y_true: Tensor, logits: Tensor, *, gamma: NonNegativeFloat = 2.0, alpha: Share = 0.25
) -> Tensor:
    """Focal loss, the mean over pixels and classes.

    -a_t (1 - p_t)^gamma log(p_t); p_t = p where y = 1 and 1 - p elsewhere, a_t likewise from alpha.
    gamma = 0, alpha = 0.5 is half the binary cross-entropy. Well-classified background, and with it
    a class that is absent and not predicted, costs next to nothing.

    Args:
        y_true: [B, h, w, C] of 0 and 1.
        logits: [B, h, w, C].
        gamma: how strongly easy pixels are discounted.
        alpha: weight of defect pixels; background has 1 - alpha. The paper's 0.25 gives positives a
            third of the negatives' weight, tuned with gamma = 2 on COCO.

    Returns:
        [B].

    Source: Lin et al., ICCV 2017, https://arxiv.org/abs/1708.02002, equation 5.
    """
    margin = (2.0 * y_true - 1.0) * logits  # p_t = sigmoid(margin), -log(p_t) = softplus(-margin)
    weight = alpha * y_true + (1.0 - alpha) * (1.0 - y_true)
    # Not (1 - p_t)^gamma: its gradient is NaN where p_t rounds to 1 and gamma is below 1.
    discount = tf.exp(-gamma * tf.nn.softplus(margin))
    return tf.reduce_mean(weight * discount * tf.nn.softplus(-margin), [1, 2, 3])


LOSSES: dict[str, Callable[..., Tensor]] = {
    "dice": dice,
    "bce_dice": bce_dice,
    "focal": focal,
}
