"""Ask and tell: what to try next, and what came of it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from steelexp.search.executor import Outcome, Trial
from steelexp.search.tuners import Proposer
from steelexp.search.untried import untried_values
from steelexp.spec.space import is_active, parents_first

_STRIDE = 10_007  # between the seeds of two proposals; one draws a few dozen numbers


class Tuner(Protocol):
    """A tuner whose proposals follow from its seed and from what it was told, in that order.

    So a journal that is replayed brings it to where it was: no file of its own is needed.
    """

    def ask(self, recorded: Mapping[str, Any] | None = None) -> Trial | None:
        """The next trial; None where there is none, or none before another has ended.

        Args:
            recorded: Values of this trial in the journal; they replace the proposal.
        """

    def tell(self, outcome: Outcome) -> None:
        """Tell the tuner the outcome of a trial."""


def make_tuner(proposer: Proposer, seed: int, start: Sequence[Mapping[str, Any]] = ()) -> Tuner:
    """The tuner of a proposer, before its first trial.

    Args:
        proposer: The proposer.
        seed: Seed of the proposals.
        start: Values of the first new trials, in place of the tuner's own. A trial that continues
            another one is never replaced.
    """
    tuner = OracleTuner(proposer, seed, start)
    return tuner if proposer.schedule is None else proposer.schedule(tuner)


class OracleTuner:
    """A tuner around an oracle of keras-tuner."""

    def __init__(self, proposer: Proposer, seed: int, start: Sequence[Mapping[str, Any]]) -> None:
        from steelexp.search.oracles import avoid  # imports keras-tuner, and it TensorFlow

        self._oracle = proposer.oracle
        self._space = proposer.space
        self._seed = seed
        self._start = start
        self._asked: set[str] = set()
        self._outcomes = 0
        avoid(
            self._oracle,
            tried=lambda numbers: self._is_asked(self._values(numbers)),
            untried=self._untried,
        )

    def ask(self, recorded: Mapping[str, Any] | None = None) -> Trial | None:
        """The next trial; None where there is none, or none before another has ended.

        Args:
            recorded: Values of this trial in the journal; they replace the proposal.
        """
        oracle = self._oracle
        number = len(oracle.trials)
        # keras-tuner counts its seed on at every draw, and draws also in vain.
        oracle._seed_state = self._seed * 2**32 + number * _STRIDE
        # Read by the Bayesian one, whose proposals are dear, and by the grid, which may be done.
        point = recorded or self._next_start()
        oracle.replayed = None if point is None else self._numbers(point)
        proposed = oracle.create_trial(str(number))
        if proposed.status != "RUNNING":
            return None
        numbers = proposed.hyperparameters.values
        start = None if "tuner/trial_id" in numbers else self._next_start()
        values = recorded or start or self._values(numbers)
        numbers |= self._numbers(values)  # as they are written and run
        oracle._record_values(proposed)
        self._asked.add(_key(values))
        return Trial(
            proposed.trial_id,
            values,
            epochs=numbers.get("tuner/epochs"),
            continues=numbers.get("tuner/trial_id"),
            source="tuner" if values != start else "start",
            outcomes=self._outcomes,
        )

    def tell(self, outcome: Outcome) -> None:
        """Tell the oracle the outcome of a trial."""
        self._outcomes += 1
        oracle = self._oracle
        trial = oracle.trials[outcome.trial]
        if outcome.score is None:
            trial.status = "FAILED"
            trial.message = outcome.reason
        else:
            oracle.scores[outcome.trial] = outcome.scores
            oracle.update_trial(outcome.trial, {oracle.objective.name: outcome.score})
            trial.status = "COMPLETED"
        oracle.end_trial(trial)

    def _next_start(self) -> Mapping[str, Any] | None:
        """The first starting point that was not tried."""
        return next((values for values in self._start if not self._is_asked(values)), None)

    def _is_asked(self, values: Mapping[str, Any]) -> bool:
        return _key(values) in self._asked

    def _untried(self, random: np.random.Generator | None) -> dict[str, float] | None:
        values = untried_values(self._space, self._is_asked, random)
        return None if values is None else self._numbers(values)

    def _values(self, numbers: Mapping[str, float]) -> dict[str, Any]:
        """As they are run: rounded, and without the settings that are not active."""
        values: dict[str, Any] = {}
        for path in parents_first(self._space):
            if path in numbers and is_active(self._space[path], values):
                values[path] = self._space[path].value(numbers[path])
        return {path: values[path] for path in self._space if path in values}

    def _numbers(self, values: Mapping[str, Any]) -> dict[str, float]:
        """Numbers of values; a grid has none for a value between its points, and needs none."""
        inside = {path: value for path, value in values.items() if self._space[path].holds(value)}
        return {path: self._space[path].number(value) for path, value in inside.items()}


def _key(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True)
