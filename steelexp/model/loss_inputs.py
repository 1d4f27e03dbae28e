"""Inputs that the losses share: tensors of any precision, optional class weights, settings."""

from typing import Annotated, Literal

from pydantic import Field

from steelexp.lazy import Tensor, tf

Share = Annotated[float, Field(ge=0, le=1)]
Reduce = Literal["tile_and_class", "tile", "batch_and_class", "batch"]
EmptyClass = Literal["smoothed", "mean_score", "nothing"]


def as_float32(
    y_true: Tensor, logits: Tensor, class_weights: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Cast the inputs to float32. Sums over the pixels of a tile overflow in float16.

    Args:
        y_true: Ground truth, [B, h, w, C] of 0 and 1.
        logits: Logits, [B, h, w, C].
        class_weights: Weight of each class, [C] with mean one. None means ones.

    Returns:
        y_true, logits and the weights, which broadcast with [..., C].
    """
    weights = 1.0 if class_weights is None else class_weights
    return tf.cast(y_true, tf.float32), tf.cast(logits, tf.float32), tf.cast(weights, tf.float32)
