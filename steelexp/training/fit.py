"""The training loop: epochs with validation, learning-rate reduction and early stopping."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from steelexp.epoch_profile import EpochProfile
from steelexp.errors import RunFailedError
from steelexp.lazy import Tensor
from steelexp.metric_names import full_name
from steelexp.metrics import HEADLINES, LOSS, lower_is_better
from steelexp.model.finiteness import LARGEST_LOGIT, not_finite
from steelexp.model.loss_schedule import Loss
from steelexp.model.truth import truth_of
from steelexp.progress import duration, say
from steelexp.records.store import Epoch
from steelexp.spec import ExperimentSpec
from steelexp.training.devices import gather_batch, synchronize
from steelexp.training.epoch import Methods, Training, train_epoch
from steelexp.training.plateau import best_epoch, should_stop

IsLast = Callable[[float], bool]
"""Function from the monitored metric of an epoch to whether training ends after it."""

LOSSES = (LOSS, full_name(LOSS, "val"))
"""Names of the losses of an epoch."""


class DivergedError(RunFailedError):
    """Loss, scores or weights are no longer numbers that can be trained."""


def compile_model(
    model: Any,
    *,
    loss: Loss,
    head_loss: Loss | None = None,
    optimizer: Any,
    classes: int,
    has_ignore: bool = False,
    xla: bool = False,
) -> None:
    """Compile the model with its loss and optimizer.

    Args:
        model: Network, grey [B, h, w, 1] -> logits [B, h, w, C], and image logits [B, C] with a
            classification head.
        loss: Loss, (y_true, logits, valid) -> [B].
        head_loss: Loss of the image logits, which is added; None without a classification head.
        optimizer: Optimizer of tf_keras; its state is built at once.
        classes: Number of classes, C.
        has_ignore: Whether bit C of a mask marks ignored pixels.
        xla: Whether XLA compiles the training step.
    """

    def on_bits(loss: Loss) -> Callable[[Tensor, Tensor], Tensor]:
        def loss_on_bits(bits: Tensor, logits: Tensor) -> Tensor:
            truth = truth_of(bits, classes, has_ignore=has_ignore)
            valid = None if truth.valid is None else gather_batch(truth.valid)
            return loss(gather_batch(truth.y_true), gather_batch(logits), valid=valid)

        return loss_on_bits

    # Keras gives the one mask to the loss of each output, and adds the losses.
    losses = on_bits(loss) if head_loss is None else [on_bits(loss), on_bits(head_loss)]
    synchronize(model)
    model.compile(optimizer=optimizer, loss=losses, jit_compile=xla)
    _unwrapped(model.optimizer).build(model.trainable_variables)


def optimizer_steps(model: Any) -> Any:
    """Optimizer steps of a compiled network so far, a tf.Variable."""
    return _unwrapped(model.optimizer).iterations


def _unwrapped(optimizer: Any) -> Any:
    """The optimizer without the one that mixed precision wraps it in, which scales the loss."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def fit(
    model: Any,
    spec: ExperimentSpec,
    history: Sequence[Epoch],
    *,
    batches: Callable[[int], Any],
    validate: Callable[[int, IsLast], Mapping[str, float]],
    on_epoch_end: Callable[[Epoch, bool], None],
    methods: Methods | None = None,
    profile: EpochProfile | None = None,
) -> list[Epoch]:
    """Train until the spec's last epoch or early stopping.

    Args:
        model: Compiled network with the weights of the last epoch.
        spec: Spec of the run.
        history: Finished epochs.
        batches: Function from the number of an epoch, from 1, to a tf.data.Dataset of (grey,
            mask), [B, h, w, 1] each; bit c of the mask is class c.
        validate: Function from the number of an epoch to its validation metrics by full name. Its
            second argument tells from the monitored metric whether the epoch is the last.
        on_epoch_end: Function that is called with each finished epoch and whether it is the best so
            far.
        methods: Training methods beside the steps of Keras; None for no others.
        profile: Profile that the seconds of the epochs go to.

    Returns:
        The whole history.

    Raises:
        DivergedError: a metric or a weight is not a finite number, a loss is beyond
            `LARGEST_LOGIT`, or the monitored metric is missing; the epochs before are kept.
    """
    epochs = list(history)
    methods = methods or Methods()
    profile = profile or EpochProfile()
    while not _is_last(spec, _monitored(spec, epochs)):
        with profile.epoch(len(epochs) + 1):
            start = time.monotonic()
            training = train_epoch(model, spec, epochs, batches, methods, profile)
            with methods.averages.in_network():
                epochs.append(_validated(model, spec, epochs, training, validate, start))
                values = _monitored(spec, epochs)
                best = best_epoch(values, lower_is_better=_lower_is_better(spec)) == len(epochs)
                on_epoch_end(epochs[-1], best)
            say(_progress_line(spec, epochs, best=best))
    return epochs


def _validated(
    model: Any,
    spec: ExperimentSpec,
    epochs: Sequence[Epoch],
    training: Training,
    validate: Callable[[int, IsLast], Mapping[str, float]],
    start: float,
) -> Epoch:
    """Validate the epoch after `epochs`, whose training began at a time; see `fit`."""
    number = len(epochs) + 1

    def is_last(monitored: float) -> bool:
        return _is_last(spec, [*_monitored(spec, epochs), monitored])

    validation = validate(number, is_last) if math.isfinite(training.loss) else {}
    metrics = {LOSS: training.loss, "learning_rate": training.learning_rate, **validation}
    step = training.steps + (epochs[-1].step if epochs else 0)
    seconds = round(time.monotonic() - start, 3)
    epoch = Epoch(number, step, seconds, metrics, dict(training.usage))
    _check_finite(spec, epoch, not_finite(model))
    return epoch


def _lower_is_better(spec: ExperimentSpec) -> bool:
    return lower_is_better(spec.training.monitor)


def _monitored(spec: ExperimentSpec, epochs: Sequence[Epoch]) -> list[float]:
    return [epoch.metrics[spec.training.monitor] for epoch in epochs]


def _is_last(spec: ExperimentSpec, values: Sequence[float]) -> bool:
    """Whether training ends after the epochs with these values of the monitored metric."""
    patience = spec.training.early_stopping_patience
    return len(values) >= spec.training.epochs or should_stop(
        values, patience=patience, lower_is_better=_lower_is_better(spec)
    )


def _check_finite(spec: ExperimentSpec, epoch: Epoch, weights: str | None) -> None:
    """Raise if a metric is not a finite number, a loss is too large, or weights are not finite."""
    monitor = spec.training.monitor
    problem = "" if weights is None else f"the weights {weights} hold NaN or infinity"
    for key, value in {**epoch.metrics, monitor: epoch.metrics.get(monitor, math.nan)}.items():
        limit = LARGEST_LOGIT if key in LOSSES else math.inf
        if not math.isfinite(value) or value > limit:
            problem = f"{key} is {value:g}"
            break
    if problem:
        rate = spec.optimizer.settings["learning_rate"]
        raise DivergedError(
            f"{spec.name}: {problem} after epoch {epoch.epoch}; lower "
            f"optimizer.learning_rate (now {rate:g}) or set optimizer.clip_norm"
        )


def _progress_line(spec: ExperimentSpec, epochs: Sequence[Epoch], *, best: bool) -> str:
    epoch = epochs[-1]
    monitor = spec.training.monitor
    names = dict.fromkeys((monitor, *(full_name(name, "val") for name in HEADLINES)))
    values = [f"{key} {epoch.metrics[key]:.4f}" for key in names if key in epoch.metrics]
    seconds = sum(e.seconds for e in epochs) / len(epochs)
    left = (spec.training.epochs - len(epochs)) * seconds
    return "  ".join(
        [
            f"epoch {epoch.epoch}/{spec.training.epochs}",
            f"{LOSS} {epoch.metrics[LOSS]:.4f}",
            *values,
            f"lr {epoch.metrics['learning_rate']:.1e}",
            duration(epoch.seconds),
            f"at most {duration(left)} left" if left else "the last",
            "best so far" if best else "",
        ]
    ).rstrip()
