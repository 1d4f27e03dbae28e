"""What Comet's client has messages for, and no public call that takes our values.

Git and packages are what its own loggers would send; these would look for a repository around the
folder in which a run was started, and for all that is installed.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from comet_ml import CometExperiment


def log_git(experiment: "CometExperiment", git: Mapping[str, str]) -> None:
    """Log commit and branch; who made it, and the address of the repository, stay here.

    Args:
        experiment: Live or offline experiment.
        git: Commit and branch.
    """
    from comet_ml.messages import GitMetadataMessage

    nothing: dict[str, str | None] = {"user": None, "root": None, "origin": None}
    values = nothing | {"branch": git.get("branch"), "parent": git.get("commit")}
    _enqueue(experiment, GitMetadataMessage.create(context=None, git_metadata=values))


def log_packages(experiment: "CometExperiment", packages: Sequence[str]) -> None:
    """Log installed packages, as in "numpy==2.4.6"."""
    from comet_ml.messages import InstalledPackagesMessage

    _enqueue(
        experiment,
        InstalledPackagesMessage.create(context=None, installed_packages=list(packages)),
    )


def log_console(experiment: "CometExperiment", text: str, seconds: float) -> None:
    """Log lines of the console.

    The client's own message carries the time since the machine was started, and numbers lines from
    0 in each process. So a live experiment is told through the REST API.

    Args:
        experiment: Live or offline experiment.
        text: Lines.
        seconds: Time at which they were noted, in seconds since 1970.
    """
    from comet_ml import OfflineExperiment
    from comet_ml.messages import StandardOutputMessage

    if isinstance(experiment, OfflineExperiment):
        for line in text.splitlines(keepends=True):
            _enqueue(experiment, StandardOutputMessage.create(context=None, output=line))
        return
    live: Any = experiment
    live.rest_api_client.log_experiment_output(experiment.get_key(), text, timestamp=seconds)


def _enqueue(experiment: Any, message: Any) -> None:
    experiment._enqueue_message(message)
