"""What the monitored metric's history decides: the best epoch, the learning rate, when to stop.

Each is a function of the whole history, so a resumed run decides as an undisturbed one and no
counter has to be saved. They agree with Keras' ModelCheckpoint, ReduceLROnPlateau and EarlyStopping
with their default min_delta (0, 0.0001 and 0).
"""

from collections.abc import Sequence

MIN_DELTA = 1e-4
"""By how much a value must be better to count for the learning rate, as in Keras."""


def best_epoch(values: Sequence[float], *, lower_is_better: bool = False) -> int:
    """The first epoch, from 1, with the best value.

    Args:
        values: Monitored metric of each epoch, at least one.
        lower_is_better: Whether a lower value is better.
    """
    ordered = [-value if lower_is_better else value for value in values]
    return ordered.index(max(ordered)) + 1


def should_stop(
    values: Sequence[float], *, patience: int | None, lower_is_better: bool = False
) -> bool:
    """Whether `patience` epochs have passed since the best one.

    Args:
        values: Monitored metric of each epoch.
        patience: Number of epochs; None never stops.
        lower_is_better: Whether a lower value is better.
    """
    if patience is None or len(values) < 2:
        return False
    return len(values) - best_epoch(values, lower_is_better=lower_is_better) >= patience


def reduced_rate(
    values: Sequence[float],
    *,
    initial: float,
    patience: int | None,
    factor: float,
    lower_is_better: bool = False,
) -> float:
    """The next epoch's learning rate: `initial` times `factor` for each plateau behind it.

    Args:
        values: Monitored metric of each epoch.
        initial: Learning rate of the first epoch.
        patience: Epochs without a better value that make a plateau; None keeps the rate.
        factor: Factor of each reduction, below 1.
        lower_is_better: Whether a lower value is better.
    """
    rate = initial
    best = float("-inf")
    waited = 0
    for value in values if patience is not None else ():
        score = -value if lower_is_better else value
        if score > best + MIN_DELTA:
            best = score
            waited = 0
            continue
        waited += 1
        if waited >= (patience or 0):
            rate *= factor
            waited = 0
    return rate
