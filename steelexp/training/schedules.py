"""Learning-rate schedules, by name: functions of the optimizer step, without a state.

Each is `(step, steps, epochs, *, settings) -> factor`. The learning rate of a step is
`optimizer.learning_rate` times the factor, and times the reductions of `plateau` where there are
any. A resumed run evaluates the function again, so nothing has to be saved. `steps` is the number
of all steps until `training.epochs`; early stopping does not shorten a schedule.
"""

import math
from collections.abc import Callable
from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat

Fraction = Annotated[float, Field(ge=0, le=1)]
PeakShare = Annotated[float, Field(gt=0, lt=1)]
Divisor = Annotated[float, Field(ge=1)]


def plateau(step: int, steps: int, epochs: int, *, warm_up_epochs: NonNegativeFloat = 0.0) -> float:
    """Constant, lower after each plateau of the monitored metric.

    `training.reduce_lr_patience` and `training.reduce_lr_factor` say when and by how much.

    Args:
        step: Number of the step, from 0.
        steps: Number of all steps.
        epochs: Number of all epochs.
        warm_up_epochs: Epochs in which the learning rate first grows linearly; 0.5 is half an
            epoch.

    Returns:
        Factor of the learning rate.
    """
    warm_up = _warm_up_steps(warm_up_epochs, steps, epochs)
    return _growth(step, warm_up) if step < warm_up else 1.0


def cosine(
    step: int,
    steps: int,
    epochs: int,
    *,
    warm_up_epochs: NonNegativeFloat = 0.0,
    final_factor: Fraction = 0.0,
) -> float:
    """Half a cosine from 1 down to f: f + (1 - f) (1 + cos(pi t)) / 2.

    t goes from 0 after the warm-up to 1 at the end.

    Args:
        step: Number of the step, from 0.
        steps: Number of all steps.
        epochs: Number of all epochs.
        warm_up_epochs: Epochs in which the learning rate first grows linearly; 0.5 is half an
            epoch.
        final_factor: Factor f at the end.

    Returns:
        Factor of the learning rate.

    Source: Loshchilov and Hutter, ICLR 2017, https://arxiv.org/abs/1608.03983, without restarts;
    linear warm-up of Goyal et al., 2017, https://arxiv.org/abs/1706.02677.
    """
    warm_up = _warm_up_steps(warm_up_epochs, steps, epochs)
    if step < warm_up:
        return _growth(step, warm_up)
    return _half_cosine(1.0, final_factor, _progress(step, warm_up, steps))


def polynomial(
    step: int,
    steps: int,
    epochs: int,
    *,
    warm_up_epochs: NonNegativeFloat = 0.0,
    power: PositiveFloat = 0.9,
    final_factor: Fraction = 0.0,
) -> float:
    """Power of the remaining share: f + (1 - f) (1 - t)^power; a power of 1 is a line.

    t goes from 0 after the warm-up to 1 at the end.

    Args:
        step: Number of the step, from 0.
        steps: Number of all steps.
        epochs: Number of all epochs.
        warm_up_epochs: Epochs in which the learning rate first grows linearly; 0.5 is half an
            epoch.
        power: Exponent. nnU-Net and DeepLab take 0.9.
        final_factor: Factor f at the end.

    Returns:
        Factor of the learning rate.

    Source: Chen et al., DeepLab, TPAMI 2018, https://arxiv.org/abs/1606.00915, section 4.1.
    """
    warm_up = _warm_up_steps(warm_up_epochs, steps, epochs)
    if step < warm_up:
        return _growth(step, warm_up)
    left = 1.0 - _progress(step, warm_up, steps)
    return final_factor + (1.0 - final_factor) * math.pow(left, power)


def one_cycle(
    step: int,
    steps: int,
    epochs: int,
    *,
    peak_share: PeakShare = 0.3,
    initial_divisor: Divisor = 25.0,
    final_divisor: Divisor = 1e4,
) -> float:
    """One cycle: half a cosine up to the learning rate, half a cosine down to nearly 0.

    The momentum stays as it is. PyTorch's OneCycleLR can change it too (cycle_momentum).

    Args:
        step: Number of the step, from 0.
        steps: Number of all steps.
        epochs: Number of all epochs.
        peak_share: Share of the steps until the peak.
        initial_divisor: Divisor of the learning rate in the first step.
        final_divisor: Further divisor in the last step.

    Returns:
        Factor of the learning rate.

    Source: Smith and Topin, 2018, https://arxiv.org/abs/1708.07120, in the form of fastai and of
    PyTorch's OneCycleLR.
    """
    first = 1.0 / initial_divisor
    peak = peak_share * steps - 1.0
    if step <= peak:
        return _half_cosine(first, 1.0, step / peak if peak > 0.0 else 1.0)
    return _half_cosine(1.0, first / final_divisor, (step - peak) / max(steps - 1.0 - peak, 1.0))


def _warm_up_steps(warm_up_epochs: float, steps: int, epochs: int) -> int:
    # First the division, which has no rest: the number of epochs must not change the rounding.
    return round(warm_up_epochs * (steps / epochs))


def _growth(step: int, warm_up: int) -> float:
    """Linear growth in which no step has a rate of 0 and the last one has the whole rate."""
    return (step + 1) / warm_up


def _progress(step: int, first: int, steps: int) -> float:
    """Share of the steps from `first` that lie before this one."""
    return (step - first) / max(steps - first, 1)


def _half_cosine(begin: float, end: float, progress: float) -> float:
    return end + (begin - end) * (1.0 + math.cos(math.pi * progress)) / 2.0


Schedule = Callable[[int, int, int], float]
"""(step from 0, all steps, all epochs) -> factor of the learning rate."""

SCHEDULES: dict[str, Callable[..., float]] = {
    "plateau": plateau,
    "cosine": cosine,
    "one_cycle": one_cycle,
    "polynomial": polynomial,
}
