"""Where trials run: what a search asks of an executor, and the executor that is this process."""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol


class Trial(NamedTuple):
    """What to run.

    Attributes:
        id: "0007", in the order of the proposals.
        values: dotted path -> value; inactive settings are absent.
        epochs: in place of the spec's own; None leaves them.
        continues: the trial whose weights and epochs it goes on from.
    """

    id: str
    values: Mapping[str, Any]
    epochs: int | None = None
    continues: str | None = None


class Outcome(NamedTuple):
    """What came out of a trial.

    Attributes:
        trial: its id.
        score: the objective at the best epoch; None of a failed trial.
        reason: why it failed; None of a finished one.
        best_epoch: from 1.
        epochs: of the run, those of the trial it continues included.
        trained: the epochs that are its own.
        seconds: of these.
        folder: its run folder, relative to the search's.
    """

    trial: str
    score: float | None
    reason: str | None = None
    best_epoch: int | None = None
    epochs: int = 0
    trained: int = 0
    seconds: float = 0.0
    folder: str = ""


RunTrial = Callable[[Trial], Outcome]
"""Runs a trial to its end, from wherever an earlier session left it."""


class Executor(Protocol):
    """Runs trials, `slots` at once."""

    slots: int

    def submit(self, trial: Trial) -> None:
        """Take a trial; it begins as soon as there is room."""

    def next(self) -> Outcome:
        """Wait for a trial to end. A bug in it is raised here."""

    def close(self) -> None:
        """Let go of what the executor holds; trials at work are abandoned."""


class LocalExecutor:
    """One trial after the other, in this process."""

    slots = 1

    def __init__(self, run_trial: RunTrial) -> None:
        self._run = run_trial
        self._waiting: deque[Trial] = deque()

    def submit(self, trial: Trial) -> None:
        """Put a trial at the end of the queue."""
        self._waiting.append(trial)

    def next(self) -> Outcome:
        """Run the first of the queue."""
        return self._run(self._waiting.popleft())

    def close(self) -> None:
        """Nothing is held."""
