"""How much a search may cost, and how much of it is left."""

import time

from steelexp.search.executor import Trial
from steelexp.search.trials import Trials
from steelexp.search.tuners import Proposer
from steelexp.spec import ExperimentSpec


class Budget:
    """Trials, epochs and hours, counted over all sessions."""

    def __init__(self, spec: ExperimentSpec, proposer: Proposer, trials: Trials) -> None:
        assert spec.search is not None
        self._spec, self._search = spec, spec.search
        self._proposer, self._trials = proposer, trials
        self._before, self._started = trials.elapsed, time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds of all sessions, as far as the journal knows."""
        return round(self._passed, 1)

    @property
    def _passed(self) -> float:
        return self._before + time.monotonic() - self._started

    @property
    def may_begin(self) -> bool:
        """Whether one more trial may begin now."""
        trials, hours = self._search.trials, self._search.hours
        in_time = hours is None or self._passed < hours * 3600
        return in_time and (trials is None or len(self._trials.rows) < trials)

    def allows(self, trial: Trial) -> bool:
        """Whether a trial's epochs fit in, those of the running ones counted in full."""
        most = self._search.epochs
        return most is None or self._committed() + self._own_epochs(trial) <= most

    def left(self, slots: int) -> float | None:
        """Seconds until the search ends, about; None where nothing says so.

        Each limit alone would end it; the first one counts.
        """
        ended = self._trials.ended
        trained, seconds = sum(o.trained for o in ended), sum(o.seconds for o in ended)
        limits = []
        trials = [n for n in (self._search.trials, self._proposer.trials) if n is not None]
        if trials and ended:
            limits.append((min(trials) - len(ended)) * seconds / len(ended) / slots)
        epochs = [n for n in (self._search.epochs, self._proposer.epochs) if n is not None]
        if epochs and trained:
            limits.append((min(epochs) - trained) * seconds / trained / slots)
        if self._search.hours is not None:
            limits.append(self._search.hours * 3600 - self.elapsed)
        return max(0.0, min(limits)) if limits else None

    def _committed(self) -> int:
        running = sum(self._own_epochs(trial) for trial in self._trials.running)
        return running + sum(outcome.trained for outcome in self._trials.ended)

    def _own_epochs(self, trial: Trial) -> int:
        """At most so many are trained for it."""
        epochs: int = trial.epochs or trial.values.get(
            "training.epochs", self._spec.training.epochs
        )
        if trial.continues is None:
            return epochs
        earlier = self._trials.rows[trial.continues].trial
        return epochs - (earlier.epochs or 0)
