"""Adam in one operation a weight.

tf_keras writes a step of Adam as some fifteen operations, each of which reads and writes as many
numbers as the weight has. TensorFlow's `ResourceApplyAdam` is the same formula in one pass: the
form before section 2.1 of the paper, where epsilon is added to the root of the second average as it
is, before the correction of its bias. The state is the same as well, so checkpoints fit both. Last
digits differ: tf_keras takes 1 - beta in double precision and the operation in that of the weight.
"""

from typing import Any, Literal

from steelexp.lazy import Tensor, keras, tf

Adam = Literal["plain", "fused"]
"""Forms of Adam's step."""


def fused(optimizer: Any) -> Any:
    """An optimizer with the same settings, state and formula whose step is fused.

    Args:
        optimizer: Optimizer of tf_keras that has not been built.

    Returns:
        A fused Adam for an Adam or AdamW, whose decay of the weights stays an operation before
        the step; another optimizer as it is.
    """
    forms = (keras.optimizers.Adam, keras.optimizers.AdamW)
    if type(optimizer) not in forms or optimizer.amsgrad:
        return optimizer

    class FusedAdam(keras.optimizers.Adam):  # type: ignore[misc]  # tf_keras has no types
        def update_step(self, gradient: Tensor, variable: Any) -> Tensor:
            index = self._index_dict[self._var_key(variable)]
            step = tf.cast(self.iterations + 1, variable.dtype)
            return tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=self._momentums[index].handle,
                v=self._velocities[index].handle,
                beta1_power=tf.pow(tf.cast(self.beta_1, variable.dtype), step),
                beta2_power=tf.pow(tf.cast(self.beta_2, variable.dtype), step),
                lr=tf.cast(self.learning_rate, variable.dtype),
                beta1=self.beta_1,
                beta2=self.beta_2,
                epsilon=self.epsilon,
                grad=gradient,
            )

    result = FusedAdam.from_config(optimizer.get_config())
    # No part of the settings. Keras has no public reader of them.
    result.exclude_from_weight_decay(
        var_names=getattr(optimizer, "_exclude_from_weight_decay_names", [])
    )
    return result
