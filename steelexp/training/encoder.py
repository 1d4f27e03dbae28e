"""An encoder that trains later and slower than the rest of the network.

While it is frozen, its batch norm computes as in inference, so that its moving statistics stay
those of the weights. Its optimizer state begins with its own first step: Adam corrects the bias of
its averages by the number of steps, and after frozen ones the first steps would be 6.6 times as
long.
"""

from collections.abc import Sequence
from typing import Any

from steelexp.lazy import Tensor, keras, tf
from steelexp.model.assembly import encoder_variables
from steelexp.records.store import Epoch


class EncoderTraining:
    """Freezes the encoder of a network for the first epochs and scales its learning rate.

    Args:
        model: Network as `assemble` returns it, not compiled.
        frozen_epochs: Number of first epochs in which the encoder does not train.
        rate_factor: Factor of the encoder's learning rate.
    """

    def __init__(self, model: Any, *, frozen_epochs: int, rate_factor: float) -> None:
        self._model = model
        self._frozen_epochs = frozen_epochs
        self._rate_factor = rate_factor
        self._names = frozenset(variable.name for variable in encoder_variables(model))
        self._layers = [part for part in model.submodules if self._is_of_encoder(part)]
        self._frozen = False
        self._step: Any = None
        self._frozen_steps = tf.Variable(0, trainable=False, dtype=tf.int64)

    def adapt(self, optimizer: Any) -> None:
        """Let an optimizer make its steps of the encoder by the encoder's rate and step count.

        Args:
            optimizer: Optimizer of tf_keras that has not been built; it is changed in place.
        """
        kind = type(optimizer)
        of_encoder = _OptimizerOfEncoder(optimizer, self._rate_factor, self._frozen_steps)

        def update_step(gradient: Tensor, variable: Any) -> Any:
            owner = of_encoder if self._has(variable) else optimizer
            return kind.update_step(owner, gradient, variable)

        def apply_weight_decay(variables: Sequence[Any]) -> None:
            inside = [variable for variable in variables if self._has(variable)]
            outside = [variable for variable in variables if not self._has(variable)]
            kind._apply_weight_decay(of_encoder, inside)
            kind._apply_weight_decay(optimizer, outside)

        optimizer.update_step = update_step
        optimizer._apply_weight_decay = apply_weight_decay

    def before_epoch(self, epochs: Sequence[Epoch]) -> None:
        """Freeze the encoder or not for the epoch after `epochs`.

        Args:
            epochs: Finished epochs.
        """
        frozen = len(epochs) < self._frozen_epochs
        self._step = self._step or self._model.train_step
        if frozen != self._frozen:
            self._model.train_step = self._frozen_step if frozen else self._step
            self._model.train_function = None  # traced again, without the encoder's gradients
            self._frozen = frozen
        if self._frozen_epochs and not frozen:
            self._frozen_steps.assign(epochs[self._frozen_epochs - 1].step)

    def _frozen_step(self, data: Any) -> Any:
        """The training step of a frozen encoder. Layers are frozen while it is traced alone.

        Keras' `fit` would set them as they were compiled, and checkpoints order weights by it.
        """
        self._set_trainable(False)
        try:
            return self._step(data)
        finally:
            self._set_trainable(True)

    def _has(self, variable: Any) -> bool:
        """Whether a variable, or one device's part of it, is of the encoder."""
        name = variable.name.split("/replica_")[0].removesuffix(":0")
        return f"{name}:0" in self._names

    def _is_of_encoder(self, part: Any) -> bool:
        if not isinstance(part, keras.layers.Layer) or isinstance(part, keras.Model):
            return False
        weights = [variable.name for variable in part.weights]
        return bool(weights) and self._names.issuperset(weights)

    def _set_trainable(self, trainable: bool) -> None:
        for layer in self._layers:
            layer.trainable = trainable


class _OptimizerOfEncoder:
    """An optimizer with the learning rate and the step count of the encoder."""

    def __init__(self, optimizer: Any, rate_factor: float, frozen_steps: Any) -> None:
        self._optimizer = optimizer
        self._rate_factor = rate_factor
        self._frozen_steps = frozen_steps

    def __getattr__(self, name: str) -> Any:
        return getattr(self._optimizer, name)

    @property
    def learning_rate(self) -> Tensor:
        return self._rate_factor * self._optimizer.learning_rate

    @property
    def iterations(self) -> Tensor:
        return self._optimizer.iterations - self._frozen_steps
