"""Seconds of the epochs of a run, by activity.

The clock is read a few times for each step and each activity. No number of the run depends on it.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import accumulate
from typing import Final

INPUT: Final = "waiting for input"
STEP: Final = "training step"
IMAGES: Final = "validation on whole images"
TILES: Final = "validation on tiles"
OVERLAYS: Final = "overlays"
CHECKPOINTS: Final = "checkpoints"
TRACKING: Final = "tracking"
REST: Final = "the rest"
ACTIVITIES: Final = (INPUT, STEP, IMAGES, TILES, OVERLAYS, CHECKPOINTS, TRACKING, REST)


class EpochProfile:
    """Takes the time of each activity, one epoch after the other.

    Attributes:
        epochs: Number of each finished epoch -> activity -> seconds. Their sum is the whole epoch.
    """

    def __init__(self) -> None:
        self.epochs: dict[int, Mapping[str, float]] = {}
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._step_begins: dict[int, float] = {}
        self._reads: dict[int, tuple[float, float]] = {}

    @contextmanager
    def epoch(self, number: int) -> Iterator[None]:
        """Take the time of a whole epoch; one that ends with an error is left out."""
        self._seconds.clear()
        started = time.perf_counter()
        yield
        whole = time.perf_counter() - started
        self._seconds[REST] = whole - sum(self._seconds.values())
        self.epochs[number] = {name: self._seconds[name] for name in ACTIVITIES}

    @contextmanager
    def measure(self, activity: str) -> Iterator[None]:
        """Take the time of an activity, which may come several times in an epoch."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[activity] += time.perf_counter() - started

    @contextmanager
    def training(self) -> Iterator[None]:
        """Take the time of the steps of an epoch, without their waiting for input."""
        self._step_begins.clear()
        self._reads.clear()
        with self.measure(STEP):
            yield
        waiting = _waiting(self._step_begins, self._reads)
        self._seconds[STEP] -= waiting
        self._seconds[INPUT] += waiting

    def step_begins(self, step: int) -> None:
        """Note that the training asks for a batch, counted from 0."""
        self._step_begins[step] = time.perf_counter()

    @contextmanager
    def reading(self, step: int) -> Iterator[None]:
        """Note when a batch is read; readers work in threads of their own."""
        started = time.perf_counter()
        yield
        self._reads[step] = (started, time.perf_counter())


def _waiting(begins: Mapping[int, float], reads: Mapping[int, tuple[float, float]]) -> float:
    """Seconds that steps waited for their batches.

    A batch is handed on after all before it. Reading begins once TensorFlow has traced the first
    step, which is no waiting. A GPU is given steps before it has done those before, so that this is
    an upper bound there.

    Args:
        begins: Step -> time at which its batch is asked for.
        reads: Step -> times at which the reading of its batch began and ended.
    """
    if not reads:
        return 0.0
    first = min(began for began, _ in reads.values())
    steps = sorted(reads)
    ready = dict(zip(steps, accumulate((reads[step][1] for step in steps), max), strict=True))
    return sum(
        max(0.0, ready[step] - max(begin, first)) for step, begin in begins.items() if step in ready
    )
