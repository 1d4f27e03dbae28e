"""A loss that begins as one and goes over to another.

Which share of the two an epoch has is a function of its number alone, so a resumed run goes on as
an undisturbed one would have.
"""

from collections.abc import Callable

from pydantic import NonNegativeInt, PositiveInt

from steelexp.lazy import Tensor, tf

Loss = Callable[[Tensor, Tensor], Tensor]


def warm_up_weight(epoch: int, *, epochs: PositiveInt = 5, fade: NonNegativeInt = 0) -> float:
    """The weight of the main loss in an epoch; the loss of the warm-up has the rest.

    0 through the warm-up, then (epoch - epochs) / (fade + 1), from there on 1.

    Args:
        epoch: from 1.
        epochs: how many epochs have the warm-up's loss alone.
        fade: how many have both, the main loss in equal steps upwards; 0 changes over at once.

    Returns:
        From 0 to 1.
    """
    return min(max((epoch - epochs) / (fade + 1), 0.0), 1.0)


def going_over(loss_warm_up: Loss, main: Loss, weight: Tensor) -> Loss:
    """The two losses mixed: (1 - weight) loss_warm_up + weight main.

    Args:
        loss_warm_up: (y_true, logits) -> [B].
        main: (y_true, logits) -> [B].
        weight: a tf.Variable, from 0 to 1. A compiled training step reads it anew at every step, so
            to assign it between epochs is enough. A loss of weight 0 is not computed.

    Returns:
        (y_true, logits) -> [B].
    """

    def loss(y_true: Tensor, logits: Tensor) -> Tensor:
        def part(of: Loss, share: Tensor) -> Tensor:
            none = tf.zeros(tf.shape(logits)[:1])
            return tf.cond(share > 0.0, lambda: share * of(y_true, logits), lambda: none)

        return part(loss_warm_up, 1.0 - weight) + part(main, tf.convert_to_tensor(weight))

    return loss
