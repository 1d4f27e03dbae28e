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
        self._spec = spec
        self._search = spec.search
        self._proposer = proposer
        self._trials = trials
        self._elapsed_before = trials.elapsed
        self._session_start = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds of all sessions, rounded as in the journal."""
        return round(self._passed, 1)

    @property
    def _passed(self) -> float:
        return self._elapsed_before + time.monotonic() - self._session_start

    @property
    def may_begin(self) -> bool:
        """Whether one more trial may begin now."""
        limit = self._search
        in_time = limit.hours is None or self._passed < limit.hours * 3600
        return in_time and (limit.trials is None or len(self._trials.rows) < limit.trials)

    def allows(self, trial: Trial) -> bool:
        """Whether a trial's epochs fit; running trials count in full."""
        most = self._search.epochs
        return most is None or self._committed() + self._own_epochs(trial) <= most

    def left(self, slots: int) -> float | None:
        """Estimated seconds until the first limit ends the search; None without an estimate."""
        outcomes = self._trials.outcomes
        trained = sum(outcome.trained for outcome in outcomes)
        seconds = sum(outcome.seconds for outcome in outcomes)
        limits = []
        trials = [n for n in (self._search.trials, self._proposer.trials) if n is not None]
        if trials and outcomes:
            limits.append((min(trials) - len(outcomes)) * seconds / len(outcomes) / slots)
        epochs = [n for n in (self._search.epochs, self._proposer.epochs) if n is not None]
        if epochs and trained:
            limits.append((min(epochs) - trained) * seconds / trained / slots)
        if self._search.hours is not None:
            limits.append(self._search.hours * 3600 - self.elapsed)
        return max(0.0, min(limits)) if limits else None

    def _committed(self) -> int:
        running = sum(self._own_epochs(trial) for trial in self._trials.running)
        return running + sum(outcome.trained for outcome in self._trials.outcomes)

    def _own_epochs(self, trial: Trial) -> int:
        """Largest number of epochs that a trial itself trains."""
        epochs: int = trial.epochs or trial.values.get(
            "training.epochs", self._spec.training.epochs
        )
        if trial.continues is None:
            return epochs
        earlier = self._trials.rows[trial.continues].trial
        return epochs - (earlier.epochs or 0)
