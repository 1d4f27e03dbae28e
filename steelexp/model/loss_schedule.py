"""A warm-up loss that hands over to the main loss.

The weights of the two are a function of the epoch's number alone, so a resumed run continues as an
uninterrupted one would.
"""

from collections.abc import Callable

from pydantic import NonNegativeInt, PositiveInt

from steelexp.lazy import Tensor, tf

Loss = Callable[..., Tensor]
"""(y_true [B, h, w, C], logits [B, h, w, C], valid=[B, h, w, 1] or None) -> [B]."""


def warm_up_weight(epoch: int, *, epochs: PositiveInt = 5, fade: NonNegativeInt = 0) -> float:
    """Weight of the main loss in an epoch. The warm-up loss has the rest.

    0 during the warm-up, then (epoch - epochs) / (fade + 1), at most 1.

    Args:
        epoch: Number of the epoch, from 1.
        epochs: Number of epochs with the warm-up loss alone.
        fade: Number of epochs with both losses, in which the main loss grows in equal steps. 0
            switches at once.

    Returns:
        Weight from 0 to 1.
    """
    return min(max((epoch - epochs) / (fade + 1), 0.0), 1.0)


def mix_losses(loss_warm_up: Loss, main: Loss, weight: Tensor, *, branches: bool = True) -> Loss:
    """Mix two losses: (1 - weight) loss_warm_up + weight main.

    Args:
        loss_warm_up: First loss.
        main: Second loss.
        weight: Weight of the main loss, a tf.Variable from 0 to 1. A compiled training step reads
            it anew at every step, so it may be assigned between epochs.
        branches: Whether a loss of weight 0 is left out. XLA has to compute it: it cannot compile
            the gradient of such a branch.

    Returns:
        Mixed loss.
    """

    def mixed(y_true: Tensor, logits: Tensor, valid: Tensor | None = None) -> Tensor:
        def part(loss: Loss, share: Tensor) -> Tensor:
            if not branches:
                return share * loss(y_true, logits, valid=valid)
            zeros = tf.zeros(tf.shape(logits)[:1])
            return tf.cond(
                share > 0.0, lambda: share * loss(y_true, logits, valid=valid), lambda: zeros
            )

        return part(loss_warm_up, 1.0 - weight) + part(main, tf.convert_to_tensor(weight))

    return mixed
