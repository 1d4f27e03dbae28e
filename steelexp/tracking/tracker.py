"""What a run tells its tracker, and what every tracker answers to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol


class TrackedTrial(NamedTuple):
    """The part of a search that a run is.

    Attributes:
        search: name of the search.
        trial: its number, "0007".
        values: what the search chose, dotted path -> value.
    """

    search: str
    trial: str
    values: Mapping[str, str | int | float | bool | None]


class Picture(NamedTuple):
    """A PNG file that stays as it is; beside it, as NAME.json, may lie its polygon layers.

    Attributes:
        name: one name at many epochs is one picture with a slider.
        path: below the run folder.
    """

    name: str
    path: Path


@dataclass(frozen=True)
class TrackedRun:
    """What is known of a run before its first epoch.

    Attributes:
        identity: names the run.
        name: how people call it.
        folder: the run folder; what a tracker keeps on disk goes below it.
        parameters: the resolved spec, flat: `loss.gamma` -> 2.0.
        tags: words to filter by.
        git: the state of the sources: commit, branch, dirty.
        files: files to attach.
        model: name under which the best weights are registered; None: they are not.
        weights: the best weights, when the run is finished.
        trial: of a search, if it is one.
    """

    identity: str
    name: str
    folder: Path
    parameters: Mapping[str, str | int | float | bool | None]
    tags: tuple[str, ...]
    git: Mapping[str, str]
    files: tuple[Path, ...]
    model: str | None = None
    weights: Path | None = None
    trial: TrackedTrial | None = None


class Tracker(Protocol):
    """Mirrors a run. From `start` on it raises nothing: the run folder is the truth."""

    def start(self, run: TrackedRun) -> None:
        """Begin, or go on with, the experiment of this run."""

    def epoch(
        self, epoch: int, metrics: Mapping[str, float], step: int, pictures: Sequence[Picture] = ()
    ) -> None:
        """Take an epoch; one that it was told before is passed over.

        Args:
            epoch: from 1.
            metrics: by name.
            step: optimizer steps so far.
            pictures: drawn after it.
        """

    def finish(self, metrics: Mapping[str, float]) -> str:
        """Take the final metrics; return the line that says what was tracked and where.

        Args:
            metrics: of the best weights; none where the run was stopped.
        """

    def evaluated(self, run: TrackedRun, name: str, metrics: Mapping[str, float]) -> str:
        """Take the metrics of a finished run that was evaluated again; return the closing line.

        Args:
            run: that was tracked.
            name: of the way it was evaluated in; "best" is the run's own.
            metrics: by name.
        """
