"""The interface of trackers, and the description of a run that they get."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from steelexp.tracking.contents import Scalar

ModelFormat = Literal["weights", "onnx", "none"]
"""Form of the network that a finished run registers; see `steelexp/tracked_model.py`."""


class TrackedTrial(NamedTuple):
    """A run that is a trial of a search.

    Attributes:
        search: Name of the search.
        trial: Number of the trial, such as "0007".
        values: Dotted path of a setting -> value that the search proposed.
    """

    search: str
    trial: str
    values: Mapping[str, str | int | float | bool | None]


class Picture(NamedTuple):
    """A PNG file that stays as it is, with layers that a viewer can switch off.

    Attributes:
        name: Name of the picture; one name at many epochs becomes one picture with a slider.
        path: PNG file below the run folder.
        layers: JSON file of its polygon layers below the run folder; None for none.
    """

    name: str
    path: Path
    layers: Path | None = None


class Goal(NamedTuple):
    """What a run tries to improve.

    Attributes:
        metric: Name of the monitored metric.
        lower_is_better: Whether its lower values are better.
        earlier_best: Function that returns the best value of the finished runs on the same images;
            None where there is none.
    """

    metric: str
    lower_is_better: bool
    earlier_best: Callable[[], float | None]


class TrackedData(NamedTuple):
    """The data of a run, without pixels.

    Attributes:
        name: Name of the data set, the same for every version of it.
        digest: sha256 of images, labels and split.
        metadata: Facts about the data.
        files: Files below the run folder that name images, labels and split.
    """

    name: str
    digest: str
    metadata: Mapping[str, Scalar]
    files: tuple[Path, ...]


class TrackedModel(NamedTuple):
    """A network to register.

    Attributes:
        path: File of the network below the run folder.
        comment: The run and its main result in a line.
        metadata: Facts about the network: run, data, post-processing, test metrics.
    """

    path: Path
    comment: str
    metadata: Mapping[str, Scalar]


@dataclass(frozen=True)
class TrackedRun:
    """Description of a run before its first epoch.

    Attributes:
        identity: Name and digest of the run.
        name: Display name.
        folder: Run folder; a tracker writes its own files below it.
        parameters: Resolved spec with dotted keys: `loss.gamma` -> 2.0.
        tags: Words to filter by.
        git: State of the sources: commit, branch, dirty.
        packages: Installed packages and their versions.
        files: Files to attach.
        model: Name under which the network is registered; None for no registration.
        trial: Trial of a search; None for other runs.
        goal: Monitored metric and the value to beat; None where nobody asks.
        data: Data of the run; None for none.
        kind: Kind of the run on dashboards, beside trials: a run, or a fold of a
            cross-validation.
    """

    identity: str
    name: str
    folder: Path
    parameters: Mapping[str, str | int | float | bool | None]
    tags: tuple[str, ...]
    git: Mapping[str, str]
    files: tuple[Path, ...]
    packages: Mapping[str, str] = field(default_factory=dict)
    model: str | None = None
    trial: TrackedTrial | None = None
    goal: Goal | None = None
    data: TrackedData | None = None
    kind: Literal["run", "fold"] = "run"


class Tracker(Protocol):
    """Mirrors a run. From `start` on it raises nothing: the run folder is the truth.

    Attributes:
        model_format: Form of the network that a finished run registers.
        wants_data: Whether it describes the data of a run.
    """

    model_format: ModelFormat
    wants_data: bool

    def start(self, run: TrackedRun) -> None:
        """Begin, or go on with, the experiment of this run."""

    def epoch(
        self, epoch: int, metrics: Mapping[str, float], step: int, pictures: Sequence[Picture] = ()
    ) -> None:
        """Take an epoch; one that it was told before is passed over.

        Args:
            epoch: Number of the epoch, from 1.
            metrics: Metric name -> value.
            step: Optimizer steps so far.
            pictures: Overlays of this epoch.
        """

    def trained(self) -> None:
        """Take note that no further epoch follows; the evaluation does."""

    def finish(
        self,
        metrics: Mapping[str, float],
        model: TrackedModel | None = None,
        *,
        diverged: bool = False,
    ) -> str:
        """Take the final metrics; return the line that says as what the run is tracked.

        Args:
            metrics: Final metrics of the best weights; empty where the run was stopped.
            model: Network to register; None for no registration.
            diverged: Whether a number that is not finite stopped it.
        """

    def close(self, page: Path | None = None) -> str:
        """Take the page that was written after the record, and wait until all is sent.

        Args:
            page: report.html in the run folder; None without one.

        Returns:
            The line that says what was tracked and where.
        """

    def evaluated(
        self, run: TrackedRun, name: str, metrics: Mapping[str, float], folder: Path
    ) -> str:
        """Take the metrics of a finished run that was evaluated again; return the closing line.

        Args:
            run: Run that was tracked before.
            name: Name of the inference settings or of the other data; "best" stands for the run's
                own.
            metrics: Metric name -> value.
            folder: Folder of the evaluation, with its evaluation.json.
        """
