"""Optimizers, by name."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field, NonNegativeFloat, PositiveFloat

from steelexp.lazy import keras

Decay = Annotated[float, Field(ge=0, lt=1)]

WITHOUT_DECAY = [r"/(gamma|beta|bias)\b"]
"""Names of the weights that do not decay: those of batch norm, and biases."""


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
        learning_rate: Largest learning rate, that of the first epoch without a schedule.
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


def adamw(
    *,
    learning_rate: PositiveFloat = 1e-3,
    weight_decay: NonNegativeFloat = 0.01,
    beta_1: Decay = 0.9,
    beta_2: Decay = 0.999,
    epsilon: PositiveFloat = 1e-7,
    clip_norm: PositiveFloat | None = None,
) -> Any:
    """AdamW (Loshchilov and Hutter, ICLR 2019, https://arxiv.org/abs/1711.05101).

    Adam with decoupled weight decay: each step first multiplies a weight by 1 - learning rate x
    weight decay. Batch norm and biases do not decay.

    Args:
        learning_rate: Largest learning rate, that of the first epoch without a schedule.
        weight_decay: Share of a weight that a step takes away, times the learning rate.
        beta_1: Decay of the moving average of the gradients.
        beta_2: Decay of the moving average of the squared gradients.
        epsilon: Constant added to the root of the second average, against division by 0.
        clip_norm: Largest global norm of the gradients; larger ones are scaled down to it. null
            means no clipping.

    Returns:
        A tf_keras.optimizers.Optimizer.
    """
    optimizer = keras.optimizers.AdamW(
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        beta_1=beta_1,
        beta_2=beta_2,
        epsilon=epsilon,
        global_clipnorm=clip_norm,
    )
    optimizer.exclude_from_weight_decay(var_names=WITHOUT_DECAY)
    return optimizer


def sgd(
    *,
    learning_rate: PositiveFloat = 1e-2,
    momentum: Decay = 0.9,
    nesterov: bool = True,
    clip_norm: PositiveFloat | None = None,
) -> Any:
    """Stochastic gradient descent with momentum.

    v = momentum v - rate g. A step adds v, or with Nesterov's momentum, momentum v - rate g.

    Args:
        learning_rate: Largest learning rate, that of the first epoch without a schedule.
        momentum: Share of the last step that the next one repeats.
        nesterov: Whether the momentum is Nesterov's.
        clip_norm: Largest global norm of the gradients; larger ones are scaled down to it. null
            means no clipping.

    Returns:
        A tf_keras.optimizers.Optimizer.

    Source: Sutskever et al., ICML 2013, https://proceedings.mlr.press/v28/sutskever13.html.
    """
    return keras.optimizers.SGD(
        learning_rate=learning_rate,
        momentum=momentum,
        nesterov=nesterov,
        global_clipnorm=clip_norm,
    )


OPTIMIZERS: dict[str, Callable[..., Any]] = {"adam": adam, "adamw": adamw, "sgd": sgd}
"""Optimizers by name. RAdam is not among them: it is Adam whose first steps are short, which a
schedule with a warm-up does for every optimizer (Ma and Yarats, AAAI 2021,
https://arxiv.org/abs/1910.04209)."""
