"""Inputs that the losses share: tensors of any precision, optional class weights, settings."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, Strict

from steelexp.lazy import Tensor, tf

Share = Annotated[float, Field(ge=0, le=1)]
Smoothing = Annotated[float, Field(ge=0, lt=1)]
PerClass = Annotated[tuple[PositiveFloat, ...], Strict(False), Field(min_length=1)]
Reduce = Literal["tile_and_class", "tile", "batch_and_class", "batch"]
EmptyClass = Literal["smoothed", "mean_score", "nothing"]


CERTAIN = -1e4
"""Logit that stands at ignored pixels: its sigmoid and its cross-entropy as background are 0."""


def as_float32(
    y_true: Tensor, logits: Tensor, class_weights: Tensor | None, valid: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Cast the inputs to float32. Sums over the pixels of a tile overflow in float16.

    An ignored pixel becomes certain background, which adds nothing to any sum of any loss. No
    gradient reaches its logits.

    Args:
        y_true: Ground truth, [B, h, w, C] of 0 and 1.
        logits: Logits, [B, h, w, C].
        class_weights: Weight of each class, [C] with mean one. None means ones.
        valid: 1 where a pixel counts and 0 where it is ignored, [B, h, w, 1]. None: all count.

    Returns:
        y_true, logits and the weights, which broadcast with [..., C].
    """
    y = tf.cast(y_true, tf.float32)
    x = tf.cast(logits, tf.float32)
    if valid is not None:
        counts = valid > 0
        y = tf.where(counts, y, 0.0)
        x = tf.where(counts, x, CERTAIN)
    return y, x, tf.cast(1.0 if class_weights is None else class_weights, tf.float32)


def pixel_mean(losses: Tensor, valid: Tensor | None) -> Tensor:
    """Mean over pixels and classes.

    Args:
        losses: Loss of each pixel, [B, h, w, C]; 0 at ignored pixels.
        valid: 1 where a pixel counts and 0 where it is ignored, [B, h, w, 1]. None: all count.

    Returns:
        Mean of each tile, [B]; 0 for a tile that is ignored as a whole.
    """
    if valid is None:
        return tf.reduce_mean(losses, [1, 2, 3])
    return tf.reduce_sum(losses, [1, 2, 3]) / valid_values(losses, valid, (1, 2, 3))[:, 0, 0, 0]


def valid_values(values: Tensor, valid: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Number of values [B, h, w, C] over some axes that are not ignored, at least 1; keeps them."""
    counts = tf.broadcast_to(tf.cast(valid > 0, tf.float32), tf.shape(values))
    return tf.maximum(tf.reduce_sum(counts, axes, keepdims=True), 1.0)
