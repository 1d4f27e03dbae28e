"""What a run tells its tracker, and what every tracker answers to."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class TrackingError(Exception):
    """The tracking that was asked for cannot be had; the message is for the user."""


@dataclass(frozen=True)
class TrackedRun:
    """What is known of a run before its first epoch.

    Attributes:
        identity: names the run for good; equal identities continue one experiment.
        name: how people call it.
        folder: the run folder; what a tracker keeps on disk goes below it.
        parameters: the resolved spec, flat: `loss.gamma` -> 2.0.
        tags: words to filter by.
        git: the state of the sources: commit, branch, dirty.
        files: files to attach; they may be read until the run is finished.
        resumed: an interrupted run goes on.
    """

    identity: str
    name: str
    folder: Path
    parameters: Mapping[str, str | int | float | bool | None]
    tags: tuple[str, ...]
    git: Mapping[str, str]
    files: tuple[Path, ...]
    resumed: bool


class Tracker(Protocol):
    """Mirrors a run. From `start` on it raises nothing: the run folder is the truth."""

    @property
    def wants_replay(self) -> bool:
        """Whether, after `start`, the epochs and pictures of earlier sessions are to come again."""

    def start(self, run: TrackedRun) -> None:
        """Begin, or go on with, the experiment of this run."""

    def epoch(self, epoch: int, metrics: Mapping[str, float], step: int) -> None:
        """Take the metrics of an epoch; `step` counts optimizer steps."""

    def picture(self, path: Path, *, name: str, epoch: int, step: int) -> None:
        """Take a PNG file, which stays as it is until the run is finished."""

    def finish(self, metrics: Mapping[str, float]) -> str:
        """Take the final metrics; return the line that says what was tracked and where."""
