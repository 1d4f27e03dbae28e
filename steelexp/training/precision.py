"""Mixed precision: which machines can train in it, and what evaluates its runs elsewhere."""

from typing import Final

from steelexp.errors import UserError
from steelexp.lazy import tf
from steelexp.progress import say
from steelexp.training.execution import features_here

BFLOAT16: Final = "mixed_bfloat16"
"""Activations in bfloat16; weights, optimizer, batch norm's statistics and logits in float32."""

_AMPERE: Final = (8, 0)
"""The first compute capability of a GPU with bfloat16."""


def check_precision(precision: str) -> None:
    """Check that this machine can train in a precision.

    Args:
        precision: Policy of Keras.

    Raises:
        UserError: It cannot.
    """
    if precision == BFLOAT16 and not has_bfloat16():
        raise UserError(
            f"training.precision: {precision}: this machine has neither AMX nor AVX512_BF16, nor a "
            "GPU with bfloat16; set training.precision=float32, or train on a machine that has one"
        )


def evaluation_precision(precision: str) -> str:
    """The precision to evaluate a trained network in: its own, or float32 where it cannot be had.

    Args:
        precision: Policy of Keras that the network was trained with.
    """
    if precision != BFLOAT16 or has_bfloat16():
        return precision
    say(f"trained in {precision}, which this machine does not have: evaluated in float32")
    return "float32"


def has_bfloat16() -> bool:
    """Whether this machine computes bfloat16 faster than float32."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
        return all(detail.get("compute_capability", _AMPERE) >= _AMPERE for detail in details)
    return bool(features_here() & {"amx", "avx512_bf16"})
