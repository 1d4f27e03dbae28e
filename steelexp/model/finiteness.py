"""Checks that weights and scores are numbers: a network of NaN must not report clean steel.

NaN is not above any threshold, so masks of NaN scores are empty, and the sigmoid hides an infinite
logit. Every way from a network to masks passes one of these checks.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from steelexp.errors import UserError
from steelexp.lazy import Tensor, tf

LARGEST_LOGIT = 2.0**24
"""Largest logit, and largest loss, of a network that can still be trained.

From 2^24 on, neighbouring numbers of float32 are 2 apart, so that adding 1 changes nothing. The
sigmoid of float32 is 0 or 1 beyond 104, and class weights have mean one, so no loss of a network
that learns comes near it. The quickstart with a learning rate of 10 has a loss of 15 in its first
epoch and of 0.5 in its second; with 1e4 the loss is 1e8, with 1e8 it is 4e15 (one epoch of bce_dice
or bce, 12 to 24 strips).
"""

_ROUNDING = 1e-3
"""Tolerance at 0 and 1; some runtimes approximate the sigmoid."""

_ONE = np.float32(1).view(np.uint32)


class NotFiniteError(UserError):
    """Weights or scores that are not numbers."""


def are_numbers(logits: Tensor) -> Tensor:
    """Whether no logit of an image is NaN, infinite or beyond `LARGEST_LOGIT`: [B, ...] -> [B].

    It takes 0.6 ms for a strip of 256 x 1600 and four classes, on one core.
    """
    return tf.reduce_all(tf.abs(logits) <= LARGEST_LOGIT, list(range(1, len(logits.shape))))


def check_scores(
    scores: npt.NDArray[np.float32], classes: int, *, image: object, network: object
) -> None:
    """Check that scores are numbers from 0 to 1, one for each class.

    Args:
        scores: [H, W, C] scores of an image.
        classes: Number of classes, C.
        image: Image, for the message.
        network: File of the network, for the message.

    Raises:
        NotFiniteError: A score is NaN or outside 0 to 1.
        UserError: The network has another number of classes.
    """
    if scores.shape[-1] != classes:
        raise UserError(
            f"{network}: gives scores of {scores.shape[-1]} classes, and its model card names "
            f"{classes}; export or train it again"
        )
    # As integers, floats from 0 to 1 are at most that of 1; NaN and negative ones are larger. One
    # pass instead of two.
    if scores.dtype == np.float32 and scores.view(np.uint32).max(initial=0) <= _ONE:
        return
    lowest = float(scores.min(initial=0.0))  # NaN where a score is
    highest = float(scores.max(initial=0.0))
    if not (lowest >= -_ROUNDING and highest <= 1 + _ROUNDING):
        wrong = lowest if not lowest >= -_ROUNDING else highest
        raise NotFiniteError(
            f"{network}: gives a score of {wrong:g} on {image}, and scores are numbers from 0 to "
            "1; its training diverged or the file is damaged: restore it, or train it again with "
            "a lower learning rate"
        )


def check_weights(model: Any, file: object) -> None:
    """Check that the weights of a network are finite numbers.

    Args:
        model: Keras model with the weights of a file.
        file: The file, for the message.

    Raises:
        NotFiniteError: A weight is NaN or infinite.
    """
    if (name := not_finite(model)) is not None:
        raise NotFiniteError(
            f"{file}: the weights {name} hold NaN or infinity; its training diverged or the file "
            "is damaged: restore it, or train it again with a lower learning rate"
        )


def not_finite(model: Any) -> str | None:
    """Name of the first weights of a network that hold NaN or infinity; None if there are none."""
    for weights in model.weights:
        if not np.isfinite(weights.numpy()).all():
            return str(weights.name)
    return None
