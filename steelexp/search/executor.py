"""The interface of executors, which run trials, and the executor of this process."""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol


class Trial(NamedTuple):
    """Settings to try.

    Attributes:
        id: Number in the order of the proposals, such as "0007".
        values: Dotted path -> value; inactive settings are absent.
        epochs: Epochs in place of the spec's own; None for the spec's own.
        continues: Trial from whose weights and epochs this one continues.
        source: "start" for a starting point of the spec, "reuse" for a known trial of an earlier
            search, else "tuner".
        outcomes: Number of outcomes that the tuner knew when it proposed the trial.
        seed: Seed of a training that confirms a trial; None for the spec's own.
    """

    id: str
    values: Mapping[str, Any]
    epochs: int | None = None
    continues: str | None = None
    source: str = "tuner"
    outcomes: int = 0
    seed: int | None = None

    @property
    def label(self) -> str:
        """Its name behind that of the search; seeds of one trial share it, as of one strategy."""
        if self.seed is None:
            return self.id
        return f"{self.id.removesuffix(f'-seed-{self.seed}')}-confirm"

    @property
    def folder(self) -> str:
        """Folder of its run, relative to the search's folder."""
        return f"{'trials' if self.seed is None else 'confirm'}/{self.id}"


class Outcome(NamedTuple):
    """Result of a trial.

    Attributes:
        trial: Id of the trial.
        score: The first objective at the best epoch; None for a failed trial.
        reason: Reason for a failure; None for a finished trial.
        best_epoch: Number of the best epoch, from 1.
        epochs: Epochs of the run, including those of the trial it continues.
        trained: Epochs that this trial trained itself.
        seconds: Seconds of these epochs.
        folder: Run folder, relative to the search's folder.
        scores: Name of each objective -> its value; empty for a failed trial.
    """

    trial: str
    score: float | None
    reason: str | None = None
    best_epoch: int | None = None
    epochs: int = 0
    trained: int = 0
    seconds: float = 0.0
    folder: str = ""
    scores: Mapping[str, float] = {}


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
        """Release resources; running trials are abandoned."""


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
        """Do nothing."""
