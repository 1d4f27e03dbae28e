"""What runs the trials of a search: in this process, or as tasks of Ray."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol


class Trial(NamedTuple):
    """One set of values to be tried.

    Attributes:
        id: "0007"; names the trial's folder.
        values: dotted path -> value.
        epochs: how many to train at most; None: as many as the spec says.
        continues: the trial whose weights and history this one goes on from.
    """

    id: str
    values: Mapping[str, Any]
    epochs: int | None
    continues: str | None


class Outcome(NamedTuple):
    """What came out of a trial.

    Attributes:
        trial: its id.
        score: the objective at the best epoch; None where the trial failed.
        reason: why it failed; None where it did not.
        best_epoch: counted from 1.
        epochs: in its history, those of the trial it continues among them.
        trained: those of its own.
        seconds: that they took.
        folder: the run folder, relative to the search's.
    """

    trial: str
    score: float | None
    reason: str | None
    best_epoch: int | None
    epochs: int
    trained: int
    seconds: float
    folder: str


class Engine(Protocol):
    """Runs trials and hands back what came out, in the order in which they end.

    Attributes:
        slots: trials at once.
    """

    slots: int

    def submit(self, trial: Trial) -> None:
        """Take a trial; at most `slots` may be under way."""

    def next(self) -> Outcome:
        """Wait for a trial to end; a bug in a trial is raised here."""

    def close(self) -> None:
        """Stop whatever is still under way."""
