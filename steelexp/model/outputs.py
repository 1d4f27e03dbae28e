"""Outputs of a network: logits of the pixels and, with a classification head, of the image."""

from typing import Any, NamedTuple

from steelexp.lazy import Tensor


class Outputs(NamedTuple):
    """Outputs of a network for a batch.

    Attributes:
        logits: Logits of the pixels, [B, h, w, C] float32.
        image_logits: Logits of the images, [B, C] float32; None without a classification head.
    """

    logits: Tensor
    image_logits: Tensor | None


def outputs_of(model: Any, grey: Tensor) -> Outputs:
    """Call a network for inference.

    Args:
        model: Network, grey [B, h, w, 1] -> logits, or logits and image logits.
        grey: [B, h, w, 1] uint8.
    """
    outputs = model(grey, training=False)
    return Outputs(*outputs) if isinstance(outputs, list | tuple) else Outputs(outputs, None)
