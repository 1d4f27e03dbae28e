"""Asynchronous successive halving (ASHA), behind the interface of a tuner.

Source: Li et al., MLSys 2020, https://arxiv.org/abs/1810.05934, algorithm 2.
"""

import math
import operator
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from steelexp.search.executor import Outcome, Trial

if TYPE_CHECKING:
    from steelexp.search.tuner import Tuner


class AsynchronousHalving:
    """Trials that are promoted to the next rung as soon as they are among the best of theirs.

    A promoted trial is a new one that continues from the weights of the earlier one, as with
    Hyperband. The paper's other variant stops a running training from its epochs. Then a decision
    would depend on the moment at which a worker reports an epoch, and a killed search could not
    be replayed. Here it follows from the asks and tells alone, which the journal has in order.

    No rung is waited for: where nothing can be promoted, another trial begins at the bottom.
    """

    def __init__(
        self, sampler: "Tuner", *, rungs: Sequence[int], factor: int, direction: str
    ) -> None:
        """Begin with empty rungs.

        Args:
            sampler: Tuner that draws the values of new trials.
            rungs: Epochs of a trial on each rung, ascending.
            factor: One in this many trials of a rung is promoted.
            direction: "min" or "max": direction of the objective.
        """
        self._sampler = sampler
        self._rungs = rungs
        self._factor = factor
        self._sign = 1.0 if direction == "max" else -1.0
        self._trials: dict[str, tuple[Trial, int]] = {}
        self._sampled: dict[str, str] = {}
        self._losses: list[dict[str, float]] = [{} for _ in rungs]
        self._promoted: set[str] = set()

    def ask(self, recorded: Mapping[str, Any] | None = None) -> Trial | None:
        """The next trial: a promotion from the highest rung that has one, or a new one.

        Args:
            recorded: Values of this trial in the journal, or of a trial that is to be begun.
        """
        earlier = self._promotable()
        if earlier is not None and recorded in (None, earlier.values):
            self._promoted.add(earlier.id)
            rung = self._trials[earlier.id][1] + 1
            return self._take(earlier.values, rung, earlier.id)
        sampled = self._sampler.ask(recorded)
        if sampled is None:
            return None
        trial = self._take(sampled.values, 0, None)._replace(source=sampled.source)
        self._sampled[trial.id] = sampled.id
        return trial

    def tell(self, outcome: Outcome) -> None:
        """Put the outcome of a trial into its rung; a failed trial is never promoted."""
        rung = self._trials[outcome.trial][1]
        score = outcome.score
        self._losses[rung][outcome.trial] = math.inf if score is None else -self._sign * score
        if outcome.trial in self._sampled:
            self._sampler.tell(outcome._replace(trial=self._sampled[outcome.trial]))

    def _take(self, values: Mapping[str, Any], rung: int, continues: str | None) -> Trial:
        name = f"{len(self._trials):04d}"
        outcomes = sum(map(len, self._losses))
        trial = Trial(name, values, self._rungs[rung], continues, outcomes=outcomes)
        self._trials[name] = (trial, rung)
        return trial

    def _promotable(self) -> Trial | None:
        """The best trial that is among the best of its rung and was not promoted yet."""
        for losses in reversed(self._losses[:-1]):
            best = sorted(losses, key=lambda trial: losses[trial])[: len(losses) // self._factor]
            for trial in best:
                if trial not in self._promoted and losses[trial] < math.inf:
                    return self._trials[trial][0]
        return None


def totals(trials: int, rungs: Sequence[int], factor: int) -> tuple[int, int]:
    """Largest number of trials on all rungs, and of the epochs that they train.

    Args:
        trials: Number of trials on the first rung.
        rungs: Epochs of a trial on each rung, ascending.
        factor: One in this many trials of a rung is promoted.
    """
    counts = [trials // factor**rung for rung in range(len(rungs))]
    own = [later - earlier for earlier, later in pairwise((0, *rungs))]
    return sum(counts), sum(map(operator.mul, counts, own))
