"""Optimizers, by name."""

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
        learning_rate: Learning rate of the first epoch.
        beta_1: Decay of the moving average of the gradients.
        beta_2: Decay of the moving average of the squared gradients.
        epsilon: Constant added to the root of the second average, against division by 0.
        clip_norm: Largest global norm of the gradients; larger ones are scaled down to it. null
            means no clipping.

    Returns:
        A tf_keras.optimizers.Optimizer.
    """
    return keras.optimizers.Adam(
        learning_rate=learning_rate,
        beta_1=beta_1,
        beta_2=beta_2,
        epsilon=epsilon,
        global_clipnorm=clip_norm,
    )


OPTIMIZERS: dict[str, Callable[..., Any]] = {"adam": adam}
