"""Averages of the weights beside a training: what is evaluated, kept as best and exported.

The training goes on with its own weights. After each epoch the averages take their place in the
network, are evaluated and saved, and give it back. A checkpoint holds both: the averages as the
weights, so that whoever reads it reads them, and those of the training beside the optimizer.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import numpy as np
from pydantic import Field, PositiveInt

from steelexp.lazy import keras, tf
from steelexp.limits import Epochs

Decay = Annotated[float, Field(gt=0, lt=1)]

Batches = Callable[[], Any]
"""Function to the training batches of the epoch that has just ended, a tf.data.Dataset."""


class Averages:
    """No averages: the weights of the training are evaluated."""

    @property
    def variables(self) -> list[Any]:
        """What a checkpoint keeps beside the network: the weights that are not in it."""
        return []

    def after_step(self, step: int) -> None:
        """Take in the weights after an optimizer step.

        Args:
            step: Number of the step, from 1.
        """

    def after_epoch(self, epoch: int, batches: Batches) -> None:
        """Take in the weights after an epoch.

        Args:
            epoch: Number of the epoch, from 1.
            batches: Function to the batches of the epoch.
        """

    def exchange(self) -> None:
        """Exchange the weights of the network with those beside it."""

    @contextmanager
    def in_network(self) -> Iterator[None]:
        """The averages stand in the network; outside, the weights of the training do."""
        self.exchange()
        yield
        self.exchange()


class _WeightAverages(Averages):
    """Averages of all floating-point weights, moving statistics of batch norm among them."""

    def __init__(self, model: Any) -> None:
        self._weights = [weight for weight in model.weights if weight.dtype.is_floating]
        self._averages = [
            tf.Variable(tf.convert_to_tensor(weight), trainable=False) for weight in self._weights
        ]
        self._move = tf.function(self._move_by)

    @property
    def variables(self) -> list[Any]:
        return self._averages

    def exchange(self) -> None:
        for weight, average in zip(self._weights, self._averages, strict=True):
            value = tf.identity(weight)
            weight.assign(average)
            average.assign(value)

    def move(self, share: float) -> None:
        """Move the averages by a share of their distance to the weights; 1 copies them."""
        if share == 1.0:
            for weight, average in zip(self._weights, self._averages, strict=True):
                average.assign(weight)
        else:
            self._move(tf.constant(share, tf.float32))

    def _move_by(self, share: Any) -> None:
        for weight, average in zip(self._weights, self._averages, strict=True):
            average.assign_sub((average - weight) * share)


class _MovingAverages(_WeightAverages):
    def __init__(self, model: Any, decay: float) -> None:
        super().__init__(model)
        self._decay = decay

    def after_step(self, step: int) -> None:
        self.move(1.0 - min(self._decay, (1 + step) / (10 + step)))


class _EpochAverages(_WeightAverages):
    def __init__(self, model: Any, start_epoch: int, batch_norm_batches: int) -> None:
        super().__init__(model)
        self._model = model
        self._start = start_epoch
        self._batches = batch_norm_batches
        self._statistics = BatchNormStatistics(model)

    def after_epoch(self, epoch: int, batches: Batches) -> None:
        count = max(epoch - self._start + 1, 1)
        self.move(1.0 / count)
        if count > 1:
            with self.in_network():
                self._statistics.compute(batches().take(self._batches))


class BatchNormStatistics:
    """Moving statistics of batch norm, computed again as means over batches.

    Args:
        model: Network, grey [B, h, w, 1] -> logits.
    """

    def __init__(self, model: Any) -> None:
        layers = [
            part for part in model.submodules if isinstance(part, keras.layers.BatchNormalization)
        ]
        self._layers = layers
        self._variables = [v for each in layers for v in (each.moving_mean, each.moving_variance)]
        grey = tf.TensorSpec(model.inputs[0].shape, model.inputs[0].dtype)
        self._forward = tf.function(lambda grey: model(grey, training=True), [grey])

    def compute(self, batches: Any) -> None:
        """Set each statistic to the mean of those of the batches.

        Args:
            batches: tf.data.Dataset of (grey [B, h, w, 1], bits [B, h, w, 1]).
        """
        values = []
        with self._of_a_batch():
            for grey, _ in batches:
                self._forward(grey)
                values.append([variable.numpy() for variable in self._variables])
        for variable, of_batches in zip(self._variables, zip(*values, strict=True), strict=True):
            variable.assign(np.mean(of_batches, 0, np.float64))

    @contextmanager
    def _of_a_batch(self) -> Iterator[None]:
        """A forward pass leaves the statistics of its batch alone; read when it is traced."""
        momenta = [layer.momentum for layer in self._layers]
        for layer in self._layers:
            layer.momentum = 0.0
        yield
        for layer, momentum in zip(self._layers, momenta, strict=True):
            layer.momentum = momentum


def none(model: Any) -> Averages:  # the signature of the others
    """No average: the weights of the training are evaluated, kept and exported.

    Args:
        model: Compiled network.
    """
    return Averages()


def ema(model: Any, *, decay: Decay = 0.999) -> Averages:
    """Exponential moving average of the weights, after every optimizer step.

    average = d average + (1 - d) weight, with d = min(decay, (1 + n) / (10 + n)) after the n-th
    step. So the first weights are soon forgotten. The moving statistics of batch norm are averaged
    like weights: they are averages of the same steps already, and no batch is needed.

    Args:
        model: Compiled network.
        decay: Decay of the average. It looks back about 1 / (1 - decay) steps; take 0.99 below some
            1,000 steps.

    Source: Polyak and Juditsky, SIAM J. Control Optim. 1992, https://doi.org/10.1137/0330046. The
    warm-up of the decay is that of tf.train.ExponentialMovingAverage.
    """
    return _MovingAverages(model, decay)


def swa(model: Any, *, start_epoch: Epochs, batch_norm_batches: PositiveInt = 50) -> Averages:
    """Stochastic weight averaging: the mean of the weights at the ends of epochs.

    Before the start the weights themselves are evaluated. Epochs lie far apart, so the statistics
    of batch norm that belong to the mean are unknown. They are computed again after each epoch, as
    means over the first training batches of the epoch.

    Args:
        model: Compiled network.
        start_epoch: First epoch whose weights count.
        batch_norm_batches: Number of training batches for the statistics of batch norm; all where
            the epoch has fewer.

    Source: Izmailov et al., UAI 2018, https://arxiv.org/abs/1803.05407.
    """
    return _EpochAverages(model, start_epoch, batch_norm_batches)


AVERAGES: dict[str, Callable[..., Averages]] = {"none": none, "ema": ema, "swa": swa}
"""Averages of weights by name: functions of the network."""
