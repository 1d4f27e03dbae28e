"""A search whose trials have known learning curves, run in simulated time by several workers.

The score after e epochs is

    final - 0.5 exp(-e / t) + luck of the training + luck of the epoch

`final` is that of `tests.known_search`: at most 1.0. `t` is the number of epochs in which a
training comes closer by a factor of 2.7. A small learning rate makes it long, and it differs from
setting to setting. So curves cross: the best after one epoch is not the best after all. A score
is that of the best epoch so far, as in a training. The true value is the curve without luck.
"""

import hashlib
import heapq
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from steelexp.search.executor import Outcome, Trial
from steelexp.search.search import trial_spec
from steelexp.spec import ExperimentSpec
from tests.known_search import score

GAP = 0.5
TRAINING_LUCK = 0.01
EPOCH_LUCK = 0.01


@dataclass(frozen=True)
class Curve:
    """The learning curve of some values.

    Attributes:
        final: Score that a training comes to after many epochs.
        epochs: Number of epochs in which it comes closer by a factor of 2.7.
        seconds: Seconds of an epoch.
        seed: Seed of its luck.
    """

    final: float
    epochs: float
    seconds: float
    seed: int

    def true_value(self, epochs: int) -> float:
        """Value after some epochs, without luck."""
        return self.final - GAP * math.exp(-epochs / self.epochs)

    def scores(self, epochs: int) -> list[float]:
        """Score after each epoch, with luck."""
        draw = np.random.default_rng(self.seed)
        training = draw.normal(0.0, TRAINING_LUCK)
        luck = draw.normal(0.0, EPOCH_LUCK, 1000)
        return [self.true_value(e) + training + float(luck[e]) for e in range(1, epochs + 1)]


def curve(spec: ExperimentSpec, trial: Trial) -> Curve:
    """The learning curve of a trial; another seed of the search has other luck."""
    assert spec.search is not None
    text = json.dumps([spec.search.seed, dict(sorted(trial.values.items()))])
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    draw = np.random.default_rng([seed, 1])
    complete = trial_spec(spec, trial)
    rate = complete.optimizer.settings["learning_rate"]
    epochs = 3.0 * math.sqrt(0.003 / rate) * math.exp(draw.normal(0.0, 0.4))
    seconds = 60.0 * (1 + 2 / complete.training.batch_size) * math.exp(draw.normal(0.0, 0.1))
    return Curve(score(complete), epochs, seconds, seed)


class SimulatedExecutor:
    """Runs trials on several workers in simulated time.

    Attributes:
        slots: Number of workers.
        clock: Seconds since the start.
        chosen: (seconds, true value) of the best trial so far, at each change.
    """

    def __init__(
        self, spec: ExperimentSpec, slots: int, earlier: Mapping[str, Trial] | None = None
    ) -> None:
        """Workers without work.

        Args:
            spec: Spec with a search.
            slots: Number of workers.
            earlier: Id -> trial of earlier sessions, which trials may continue.
        """
        self.slots = slots
        self.clock = 0.0
        self.chosen: list[tuple[float, float]] = []
        self._spec = spec
        self._best = -math.inf
        self._trials: dict[str, Trial] = {}
        self._known = dict(earlier or {})
        self._running: list[tuple[float, str]] = []
        self._intervals: list[tuple[float, float]] = []

    def submit(self, trial: Trial) -> None:
        """Begin a trial at once."""
        assert len(self._running) < self.slots
        self._trials[trial.id] = trial
        self._known[trial.id] = trial
        seconds = curve(self._spec, trial).seconds * self._own_epochs(trial)
        self._intervals.append((self.clock, self.clock + seconds))
        heapq.heappush(self._running, (self.clock + seconds, trial.id))

    def next(self) -> Outcome:
        """Go to the end of the trial that ends first."""
        self.clock, name = heapq.heappop(self._running)
        trial = self._trials[name]
        epochs = self._epochs(trial)
        scores = curve(self._spec, trial).scores(epochs)
        best = max(scores)
        if best > self._best:
            self._best = best
            true_value = curve(self._spec, trial).true_value(epochs)
            self.chosen.append((self.clock, true_value))
        own = self._own_epochs(trial)
        seconds = curve(self._spec, trial).seconds * own
        return Outcome(name, best, None, scores.index(best) + 1, epochs, own, seconds, name)

    def close(self) -> None:
        """Do nothing."""

    @property
    def trials(self) -> int:
        """Number of trials."""
        return len(self._trials)

    @property
    def epochs(self) -> int:
        """Trained epochs of all trials."""
        return sum(map(self._own_epochs, self._trials.values()))

    @property
    def idle_share(self) -> float:
        """Share of the workers' time without a trial, from the start to the last end."""
        return self._idle_until(max(end for _, end in self._intervals))

    @property
    def idle_share_before_last_start(self) -> float:
        """The same up to the start of the last trial, while there was something to do."""
        return self._idle_until(max(start for start, _ in self._intervals))

    def seconds_to(self, value: float) -> float:
        """Seconds until the best trial so far has a true value; infinite if it never has."""
        return next((seconds for seconds, true in self.chosen if true >= value), math.inf)

    def _idle_until(self, until: float) -> float:
        busy = sum(min(end, until) - min(start, until) for start, end in self._intervals)
        return max(0.0, 1 - busy / (self.slots * until)) if until else 0.0  # no -0 by rounding

    def _epochs(self, trial: Trial) -> int:
        return trial.epochs or self._spec.training.epochs

    def _own_epochs(self, trial: Trial) -> int:
        if trial.continues is None:
            return self._epochs(trial)
        return self._epochs(trial) - self._epochs(self._known[trial.continues])
