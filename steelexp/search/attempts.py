"""Attempts at a trial in a process of its own, which may be lost."""

import time
from typing import NamedTuple

from steelexp.progress import say
from steelexp.records.store import BusyError
from steelexp.search.executor import Outcome, RunTrial, Trial

RETRIES = 3
"""Number of times that a trial which lost its process or machine is run again."""

PATIENCE = 300.0
"""Seconds that a trial waits for a process of an earlier search to leave its run folder."""


class Attempt(NamedTuple):
    """A trial under way.

    Attributes:
        trial: Trial.
        losses: Number of times that its process or machine was lost.
        started: Clock at its first start, in seconds.
    """

    trial: Trial
    losses: int
    started: float

    @classmethod
    def first(cls, trial: Trial) -> "Attempt":
        """The first attempt at a trial."""
        return cls(trial, losses=0, started=time.monotonic())

    def after_loss(self, loss: str, retries: int) -> "Attempt":
        """The attempt with one loss more; a line says so if the trial is to be run again.

        Args:
            loss: Description of the loss, such as "its process was killed".
            retries: Number of times that a trial is run again.
        """
        retry = self._replace(losses=self.losses + 1)
        if retry.losses <= retries:
            say(
                f"trial {retry.trial.id}: {loss}; it goes on in another "
                f"({retry.losses} of at most {retries} times)"
            )
        return retry

    def failed(self, reason: str) -> Outcome:
        """Outcome of a trial that cannot be run."""
        seconds = round(time.monotonic() - self.started, 1)
        return Outcome(self.trial.id, None, reason, seconds=seconds)


def run_in_free_folder(run_trial: RunTrial, trial: Trial, patience: float) -> Outcome:
    """Run a trial; wait while a process of a lost driver still holds its folder.

    Raises:
        BusyError: The folder is not free after `patience` seconds.
    """
    until = time.monotonic() + patience
    while True:
        try:
            return run_trial(trial)
        except BusyError:
            if time.monotonic() >= until:
                raise
            time.sleep(min(1.0, patience))
