"""How the weights move."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field, PositiveFloat

from steelexp.lazy import keras

Decay = Annotated[float, Field(ge=0, lt=1)]


def adam(
    *,
    learning_rate: PositiveFloat = 1e-3,
    beta_1: Decay = 0.9,
    beta_2: Decay = 0.999,
    epsilon: PositiveFloat = 1e-7,
    clip_norm: PositiveFloat | None = None,
) -> Any:
    """Adam (Kingma and Ba, ICLR 2015, https://arxiv.org/abs/1412.6980).

    Args:
        learning_rate: step size at the start.
        beta_1: decay of the first moment.
        beta_2: decay of the second moment.
        epsilon: added to the root of the second moment.
        clip_norm: gradients are scaled down to this global norm; absent: never.

    Returns:
        tf_keras.optimizers.Optimizer.
    """
    return keras.optimizers.Adam(
        learning_rate=learning_rate,
        beta_1=beta_1,
        beta_2=beta_2,
        epsilon=epsilon,
        global_clipnorm=clip_norm,
    )


OPTIMIZERS: dict[str, Callable[..., Any]] = {"adam": adam}
