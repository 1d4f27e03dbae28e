"""Gradients of several batches for one optimizer step.

The step takes the mean over all tiles of its batches, so it is that of one large batch where the
loss is a mean over tiles. Batch norm still sees single batches. The last group of an epoch may have
fewer batches; it is a step as well, so nothing is carried into the next epoch, and a checkpoint
after an epoch needs no gradients.
"""

from typing import Any

from steelexp.lazy import keras, tf


class Accumulation:
    """The training step of a network on one device that updates weights once a group of batches.

    Args:
        model: Compiled network; its training step is replaced.
        batches: Batches of a group.

    Attributes:
        batches: Batches of a group.
        batch: Number of the batch in the whole training, from 0, an int64 tf.Variable.
    """

    def __init__(self, model: Any, batches: int) -> None:
        self.batches = batches
        self._model = model
        self._is_last = tf.Variable(False, trainable=False)
        self.batch = tf.Variable(0, trainable=False, dtype=tf.int64)
        self._tiles = tf.Variable(0.0, trainable=False)
        self._sums = {
            weight.ref(): tf.Variable(tf.zeros(weight.shape), trainable=False)
            for weight in model.trainable_variables
        }
        model.train_step = self._train_step

    def before_batch(self, batch: int, total: int, epoch: int) -> None:
        """Prepare the training step of a batch.

        Args:
            batch: Number of the batch in its epoch, from 0.
            total: Batches of the epoch.
            epoch: Number of the epoch, from 1.
        """
        if batch == 0:
            self._clear()  # what an interrupted training of this process has left
        # Epochs of other phases have other numbers of batches, and none has 2^32.
        self.batch.assign((epoch - 1) * 2**32 + batch)
        self._is_last.assign(ends_group(batch, total, self.batches))

    def _train_step(self, data: Any) -> dict[str, Any]:
        model = self._model
        grey, bits, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            outputs = model(grey, training=True)
            loss = model.compute_loss(grey, bits, outputs, sample_weight)
        pairs = model.optimizer.compute_gradients(loss, model.trainable_variables, tape)
        tiles = tf.cast(tf.shape(grey)[0], tf.float32)
        for gradient, weight in pairs:
            self._sums[weight.ref()].assign_add(tiles * gradient)
        self._tiles.assign_add(tiles)
        tf.cond(self._is_last, self._update, lambda: None)
        return dict(model.compute_metrics(grey, bits, outputs, sample_weight))

    def _update(self) -> None:
        weights = self._model.trainable_variables
        means = [self._sums[weight.ref()] / self._tiles for weight in weights]
        self._model.optimizer.apply_gradients(zip(means, weights, strict=True))
        self._clear()

    def _clear(self) -> None:
        for variable in (self._tiles, *self._sums.values()):
            variable.assign(tf.zeros_like(variable))


def ends_group(batch: int, total: int, batches: int) -> bool:
    """Whether a batch, from 0, of an epoch of `total` is the last of its group of `batches`."""
    return (batch + 1) % batches == 0 or batch + 1 == total
