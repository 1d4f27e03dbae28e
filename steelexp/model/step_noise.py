"""Noise of dropout that follows from the seed, the layer and the optimizer's step.

The noise of Keras comes from generators in TensorFlow's kernels, whose state no checkpoint has. A
resumed training would draw the noise of the first epoch again.
"""

import functools
from typing import Any

from steelexp.lazy import Tensor, keras, tf


def follow_steps(model: Any, seed: int, step: Any) -> Any:
    """Let every dropout of a network draw the noise of the step.

    Args:
        model: Network that has not been called in training.
        seed: Seed of the run.
        step: Optimizer steps so far, an int64 tf.Variable.

    Returns:
        The seed, an int64 tf.Variable.
    """
    seed_variable = tf.Variable(seed, trainable=False, dtype=tf.int64)
    layers = (part for part in model.submodules if isinstance(part, keras.layers.Dropout))
    for number, layer in enumerate(layers):
        draw = functools.partial(_dropout, number=number, seed=seed_variable, step=step)
        layer._random_generator.dropout = draw
    return seed_variable


def _dropout(
    inputs: Tensor,
    rate: float,
    noise_shape: Any = None,
    *,
    number: int,
    seed: Tensor,
    step: Tensor,
) -> Tensor:
    """Dropout by the noise of a layer in a step; each replica of a strategy has its own."""
    replica = tf.distribute.get_replica_context()
    place = 0 if replica is None else replica.replica_id_in_sync_group
    layer_seed = tf.stack([seed, tf.cast(step, tf.int64)])
    for part in (number, place):
        layer_seed = tf.random.experimental.stateless_fold_in(layer_seed, part, alg="philox")
    return tf.nn.experimental.stateless_dropout(
        inputs, rate, layer_seed, noise_shape=noise_shape, rng_alg="philox"
    )
