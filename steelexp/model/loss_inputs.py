"""What losses are given: tensors of any precision, class weights or none, settings."""

from typing import Annotated, Literal

from pydantic import Field

from steelexp.lazy import Tensor, tf

Share = Annotated[float, Field(ge=0, le=1)]
Over = Literal["tile_and_class", "tile", "batch_and_class", "batch"]
Absent = Literal["smoothed", "mean_score", "nothing"]


def as_float32(
    y_true: Tensor, logits: Tensor, class_weights: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """The three in float32: sums over the pixels of a tile overflow in float16.

    Args:
        y_true: [B, h, w, C] of 0 and 1.
        logits: [B, h, w, C].
        class_weights: [C], mean one; None stands for ones.

    Returns:
        y_true, logits and the weights, which go with [..., C].
    """
    weights = 1.0 if class_weights is None else class_weights
    return tf.cast(y_true, tf.float32), tf.cast(logits, tf.float32), tf.cast(weights, tf.float32)
