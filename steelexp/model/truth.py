"""Ground truth of the losses and metrics: from the bits of a mask to one channel per class."""

from typing import NamedTuple

from steelexp.lazy import Tensor, tf


class Truth(NamedTuple):
    """Ground truth of a batch.

    Attributes:
        y_true: 1 where a class is, [B, h, w, C] float32 of 0 and 1.
        valid: 1 where a pixel counts and 0 where it is ignored, [B, h, w, 1] float32 of 0 and 1.
            None in a data set without ignored pixels.
    """

    y_true: Tensor
    valid: Tensor | None


def truth_of(bits: Tensor, classes: int, *, has_ignore: bool) -> Truth:
    """Ground truth of masks. All losses and metrics on tensors get their ignored pixels here.

    Args:
        bits: Mask, [B, h, w, 1] of unsigned integers, with bit c set where class c is.
        classes: Number of classes C.
        has_ignore: Whether bit C is set where a pixel is ignored.
    """
    if not has_ignore:
        return Truth(expand_bits(bits, classes), None)
    channels = expand_bits(bits, classes + 1)
    valid = 1.0 - channels[..., classes:]
    return Truth(channels[..., :classes] * valid, valid)


def expand_bits(bits: Tensor, classes: int) -> Tensor:
    """Expand one bit per class to one channel per class.

    Args:
        bits: Mask, [B, h, w, 1] of unsigned integers, with bit c set where class c is.
        classes: Number of classes C.

    Returns:
        [B, h, w, C] float32 of 0 and 1.
    """
    places = tf.constant(list(range(classes)), bits.dtype)
    channels = tf.bitwise.bitwise_and(
        tf.bitwise.right_shift(bits, places), tf.constant(1, bits.dtype)
    )
    return tf.cast(channels, tf.float32)  # [B, h, w, C]
