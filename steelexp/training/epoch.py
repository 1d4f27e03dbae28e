"""The training of one epoch: its batches, learning rates and averages."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from steelexp.epoch_profile import EpochProfile
from steelexp.lazy import keras
from steelexp.metrics import lower_is_better
from steelexp.progress import steps
from steelexp.records.store import Epoch
from steelexp.spec import ExperimentSpec
from steelexp.training.accumulation import Accumulation, ends_group
from steelexp.training.averaging import Averages
from steelexp.training.devices import split_batches
from steelexp.training.encoder import EncoderTraining
from steelexp.training.plateau import reduced_rate
from steelexp.training.runtime import peak_memory
from steelexp.training.schedules import SCHEDULES, Schedule

_STEPS_BETWEEN_CHECKS = 16
"""Steps after which the loss is looked at; each look waits for the device."""


class Methods(NamedTuple):
    """What a training does beside the steps of Keras.

    Attributes:
        accumulation: Training step of the network where batches are accumulated; None where each
            batch is a step.
        averages: Averages of the weights, which are in the network when it is validated and when
            an epoch ends.
        encoder: Schedule that freezes the encoder or slows it down; None without one.
    """

    accumulation: Accumulation | None = None
    averages: Averages = Averages()
    encoder: EncoderTraining | None = None


class Training(NamedTuple):
    """What the training of an epoch came to.

    Attributes:
        loss: Mean loss.
        steps: Optimizer steps.
        learning_rate: Learning rate of the last step.
        usage: Seconds and memory, by name.
    """

    loss: float
    steps: int
    learning_rate: float
    usage: dict[str, float]


def train_epoch(
    model: Any,
    spec: ExperimentSpec,
    epochs: Sequence[Epoch],
    batches: Callable[[int], Any],
    methods: Methods,
    profile: EpochProfile,
) -> Training:
    """Train the epoch after `epochs`.

    Args:
        model: Compiled network with the weights of the last epoch.
        spec: Spec of the run.
        epochs: Finished epochs.
        batches: Function from the number of an epoch to its batches, a tf.data.Dataset.
        methods: Training methods beside the steps of Keras.
        profile: Profile that the seconds go to.
    """
    number = len(epochs) + 1
    start = time.monotonic()
    tiles = batches(number)
    total = int(tiles.cardinality())
    group = spec.training.accumulate
    steps_done = math.ceil(total / group)
    rate = learning_rate(spec, epochs, steps_done)
    first = epochs[-1].step if epochs else 0

    def before_batch(batch: int) -> float:
        if methods.accumulation is not None:
            methods.accumulation.before_batch(batch, total, number)
        return rate(batch // group)

    def after_batch(batch: int) -> None:
        if ends_group(batch, total, group):
            methods.averages.after_step(first + batch // group + 1)

    label = f"epoch {number}/{spec.training.epochs}"
    if methods.encoder is not None:
        methods.encoder.before_epoch(epochs)
    loss = train_batches(model, tiles, label, before_batch, after_batch, profile)
    methods.averages.after_epoch(number, lambda: batches(number))
    usage = {"training_seconds": round(time.monotonic() - start, 3), **peak_memory()}
    return Training(loss, steps_done, rate(steps_done - 1), usage)


def train_batches(
    model: Any,
    batches: Any,
    label: str,
    before_batch: Callable[[int], float],
    after_batch: Callable[[int], None],
    profile: EpochProfile,
) -> float:
    """Train the batches of an epoch; return their mean loss.

    Args:
        model: Compiled network.
        batches: Batches of the epoch, a tf.data.Dataset.
        label: Label of the progress bar.
        before_batch: Function from the number of a batch, from 0, to its learning rate.
        after_batch: Function that is called with the number of a batch, from 0.
        profile: Profile that the seconds go to.
    """
    total = int(batches.cardinality())
    with steps(label, total) as advance, profile.training():
        history = model.fit(
            split_batches(batches, model.distribute_strategy),
            epochs=1,
            steps_per_epoch=total,
            verbose=0,
            callbacks=[
                _step_callback(before_batch, after_batch),
                _progress_callback(advance, profile),
            ],
        ).history
    return float(history["loss"][0])


def learning_rate(
    spec: ExperimentSpec, epochs: Sequence[Epoch], steps_per_epoch: int
) -> Callable[[int], float]:
    """The learning rate of each step, from 0, of the epoch after `epochs`.

    Args:
        spec: Spec of the run.
        epochs: Finished epochs.
        steps_per_epoch: Optimizer steps of an epoch.
    """
    settings = spec.training
    largest = reduced_rate(
        [epoch.metrics[settings.monitor] for epoch in epochs],
        initial=spec.optimizer.settings["learning_rate"],
        patience=settings.reduce_lr_patience,
        factor=settings.reduce_lr_factor,
        lower_is_better=lower_is_better(settings.monitor),
    )
    phase = settings.phase_at(len(epochs) + 1)
    largest *= 1.0 if phase is None else phase.learning_rate_factor
    schedule: Schedule = spec.schedule.bind(SCHEDULES)
    # Where phases have epochs of several lengths, the schedule follows the share of the epochs.
    total = settings.epochs * steps_per_epoch
    first = len(epochs) * steps_per_epoch
    return lambda step: largest * schedule(first + step, total, settings.epochs)


def _step_callback(before_batch: Callable[[int], float], after_batch: Callable[[int], None]) -> Any:
    """A Keras callback that sets the learning rate before a batch where it changes."""

    class Step(keras.callbacks.Callback):  # type: ignore[misc]  # tf_keras has no types
        _supports_tf_logs = True  # or Keras would copy the loss from the device after every step
        rate: float | None = None

        def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any]) -> None:
            rate = before_batch(batch)
            if rate != self.rate:
                self.model.optimizer.learning_rate.assign(rate)
                self.rate = rate

        def on_train_batch_end(self, batch: int, logs: Mapping[str, Any]) -> None:
            after_batch(batch)

    return Step()


def _progress_callback(advance: Callable[[int, str], None], profile: EpochProfile) -> Any:
    """A Keras callback that shows the progress and stops at a loss that is not a number."""

    class Progress(keras.callbacks.Callback):  # type: ignore[misc]  # tf_keras has no types
        _supports_tf_logs = True  # or Keras would copy the loss from the device after every step
        last_update = 0.0

        def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any]) -> None:
            profile.step_begins(batch)

        def on_train_batch_end(self, batch: int, logs: Mapping[str, Any]) -> None:
            # By the step, not by the clock: all workers have to stop at the same one.
            if batch % _STEPS_BETWEEN_CHECKS == 0 and not math.isfinite(float(logs["loss"])):
                self.model.stop_training = True
            now = time.monotonic()
            if now - self.last_update >= 0.5:
                self.last_update = now
                advance(batch + 1, f"loss {float(logs['loss']):.4f}")

    return Progress()
