"""The budget of a search: its limits, and how much of them is left."""

import json
import time

from steelexp.search.executor import Trial
from steelexp.search.objectives import direction
from steelexp.search.trials import Trials
from steelexp.search.tuners import Proposer
from steelexp.spec import ExperimentSpec
from steelexp.spec.space import SearchSpec, combination_count, is_combination


def describe_gain(search: SearchSpec) -> str:
    """A gain as patience counts it, in words."""
    return "a gain" + (f" of more than {search.minimum_gain:g}" if search.minimum_gain else "")


class Budget:
    """Limits of a search on trials, epochs and hours.

    A search that was interrupted continues in a new session. The limits hold for all sessions
    together.

    Args:
        spec: Spec with a search section, which has the limits.
        proposer: Proposer of the tuner; it may end the search before the limits do.
        trials: Trials of all sessions so far.
    """

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
        """Seconds of all sessions, rounded to 0.1 as in the journal."""
        return round(self._exact_elapsed, 1)

    @property
    def _exact_elapsed(self) -> float:
        return self._elapsed_before + time.monotonic() - self._session_start

    def reason_to_end(self, following: Trial | None = None) -> str | None:
        """The limit that allows no more trials; None while all allow one.

        Args:
            following: The trial to come, if it is known; it has to fit into the limit on epochs.
        """
        search = self._search
        rows = len(self._trials.own)
        if search.hours is not None and self._exact_elapsed >= search.hours * 3600:
            return f"search.hours: {search.hours:g} hours are over"
        if search.trials is not None and rows >= search.trials:
            return f"search.trials: {search.trials} trials{self._untried}"
        if search.patience is not None:
            count = self._trials.since_gain(direction(self._spec), search.minimum_gain)
            if count >= search.patience:
                return f"search.patience: {count} trials without {describe_gain(search)}"
        if search.epochs is None or following is None:
            return None
        left = search.epochs - self._reserved_epochs()
        epochs = self._epochs_to_train(following)
        if epochs <= left:
            return None
        return f"search.epochs: {left} of {search.epochs} are left, the next trial needs {epochs}"

    @property
    def end_of_tuner(self) -> str:
        """The reason why the tuner proposes no more."""
        combinations = combination_count(self._proposer.space)
        if combinations is not None and self._tried == combinations:
            return f"all {combinations} combinations of the space were tried"
        return f"the tuner {self._search.tuner.choice} proposes no more trials{self._untried}"

    @property
    def _untried(self) -> str:
        combinations = combination_count(self._proposer.space)
        if combinations is None:
            return ""
        return f"; {combinations - self._tried} of {combinations} combinations were not tried"

    @property
    def _tried(self) -> int:
        """Number of combinations of a finite space that trials had."""
        values = [row.trial.values for row in self._trials.rows.values()]
        inside = [each for each in values if is_combination(self._proposer.space, each)]
        return len({json.dumps(each, sort_keys=True) for each in inside})

    def seconds_left(self, slots: int) -> float | None:
        """Estimated seconds until the search ends at the first of its limits.

        The limits on trials and epochs are converted to seconds by the mean duration so far.

        Args:
            slots: Number of trials that run at once.

        Returns:
            Seconds, at least 0; None if no limit can be converted.
        """
        outcomes = self._trials.outcomes
        trained = sum(outcome.trained for outcome in outcomes)
        seconds = sum(outcome.seconds for outcome in outcomes)
        estimates = []
        trials = [n for n in (self._search.trials, self._proposer.trials) if n is not None]
        if trials and outcomes:
            estimates.append((min(trials) - len(outcomes)) * seconds / len(outcomes) / slots)
        epochs = [n for n in (self._search.epochs, self._proposer.epochs) if n is not None]
        if epochs and trained:
            estimates.append((min(epochs) - trained) * seconds / trained / slots)
        if self._search.hours is not None:
            estimates.append(self._search.hours * 3600 - self.elapsed)
        return max(0.0, min(estimates)) if estimates else None

    def _reserved_epochs(self) -> int:
        """Epochs of the trials that ended, plus all epochs of the running trials.

        A failed trial counts one epoch or more, or a search whose trials all fail would not end.
        """
        running = sum(self._epochs_to_train(trial) for trial in self._trials.running)
        return running + sum(
            max(outcome.trained, 1 if outcome.score is None else 0)
            for outcome in self._trials.outcomes
        )

    def _epochs_to_train(self, trial: Trial) -> int:
        """Largest number of epochs that a trial trains, less those of the trial it continues."""
        epochs: int = trial.epochs or trial.values.get(
            "training.epochs", self._spec.training.epochs
        )
        if trial.continues is None:
            return epochs
        earlier = self._trials.rows[trial.continues].trial
        return epochs - (earlier.epochs or 0)
