"""Rungs of asynchronous halving: the epochs after which trials are compared."""

import math


def rungs(epochs: int, min_epochs: int, factor: int) -> list[int]:
    """Epochs of a trial on each rung: `epochs` on the last, and a `factor` less on each below.

    Args:
        epochs: Epochs of a full training.
        min_epochs: Least number of epochs of the first rung.
        factor: Factor between the epochs of two rungs.
    """
    ladder = [epochs]
    while ladder[0] > 1 and math.ceil(epochs / factor ** len(ladder)) >= min_epochs:
        ladder.insert(0, math.ceil(epochs / factor ** len(ladder)))
    return ladder
