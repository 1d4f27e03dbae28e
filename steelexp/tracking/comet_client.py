"""What is asked of comet_ml: its settings, an experiment, what goes into one, an archive.

comet_ml is imported when first needed; importing it takes 1.7 s.
"""

import logging
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from steelexp.tracking.tracker import TrackedRun, TrackingError

if TYPE_CHECKING:
    from comet_ml import CometExperiment

# Comet reads these from the environment; what is set there already stays.
SETTINGS = {
    "COMET_DISABLE_AUTO_LOGGING": "1",  # it would patch TensorFlow, and does not see tf_keras
    "COMET_ERROR_TRACKING_ENABLE": "false",  # no reports to a third party
    "COMET_LOGGING_CONSOLE": "CRITICAL",  # what it has to say is said by the tracker, once
    # With a server away, start() tries ten times and takes 29 s; with these 5 s at most.
    "COMET_TIMEOUT_HTTP": "5",
    "COMET_TIMEOUT_API": "5",
    "COMET_GET_OR_ADD_EXPERIMENT_RETRY_CONNECT": "0",
    "COMET_GET_OR_ADD_EXPERIMENT_RETRY_READ": "0",
    "COMET_GET_OR_ADD_EXPERIMENT_RETRY_TOTAL": "1",
    "COMET_HTTP_SESSION_RETRY_TOTAL": "1",
    # end() waits an hour for messages and three for files.
    "COMET_TIMEOUT_CLEANING": "10",
    "COMET_TIMEOUT_UPLOAD": "20",
    # The archive Comet writes after a lost connection becomes a second experiment when sent.
    "COMET_FALLBACK_STREAMER_FALLBACK_TO_OFFLINE_MIN_BACKEND_VERSION": "999.0.0",
}

FOLDER = "comet"
UNFINISHED = "*-*.zip"  # Comet adds a random word to the key; the finished archive has none


@dataclass(frozen=True)
class Place:
    """Where at Comet an experiment belongs; None: the user's default workspace."""

    project: str
    workspace: str | None


def load() -> ModuleType:
    """Return comet_ml, imported with `SETTINGS`."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # a warning a retry
    import comet_ml

    return comet_ml


def api_key() -> str | None:
    """Return the configured API key: COMET_API_KEY, or api_key in one of Comet's own files."""
    comet_ml = load()
    key = comet_ml.get_api_key(None, comet_ml.get_config())
    return str(key) if key else None


def reason(error: Exception) -> str:
    """Return why a call of comet_ml failed, as a person would say it."""
    if type(error).__module__.startswith("requests."):
        return f"{load().get_backend_address()} does not answer"
    if type(error).__name__ == "InvalidAPIKey":  # its own text is the key
        return f"{load().get_backend_address()} does not accept the API key"
    return str(error) or type(error).__name__


def experiment_key(run: TrackedRun) -> str:
    """Return the key of the run's experiment; equal identities have equal keys."""
    return str(load().get_experiment_key(run.identity))


def open_live(run: TrackedRun, place: Place) -> "CometExperiment":
    """Open the run's experiment at the server, a new one or the one that is there.

    Raises:
        TrackingError: the server answers, and takes no data for this experiment.
    """
    experiment = _open(run, place)
    if not experiment.alive:
        raise TrackingError(f"{load().get_backend_address()} does not take the experiment")
    return experiment


def is_new(experiment: "CometExperiment") -> bool:
    """Whether the server knew nothing of this experiment before."""
    return not isinstance(experiment, load().ExistingExperiment)


@contextmanager
def archive(run: TrackedRun, place: Place, *, began: float) -> Iterator["CometExperiment"]:
    """Write what is logged into the experiment that this yields to `archive_path`.

    `comet upload` sends it, and continues the experiment of the same key where there is one.

    Args:
        run: the run to write.
        place: where it goes when it is sent.
        began: when the run started, seconds since 1970.

    Raises:
        TrackingError: comet_ml wrote no archive.
    """
    (run.folder / FOLDER).mkdir(exist_ok=True)
    remove_unfinished(run)
    experiment: Any = _open(run, place, run.folder / FOLDER)
    experiment.start_time = round(began * 1000)  # else it lasted as long as the writing
    yield experiment
    experiment.end()
    written = next((run.folder / FOLDER).glob(UNFINISHED), None)
    if written is None:
        raise TrackingError("comet_ml wrote no archive")
    written.replace(archive_path(run))


def archive_path(run: TrackedRun) -> Path:
    """Return where the run's archive goes."""
    return run.folder / FOLDER / f"{experiment_key(run)}.zip"


def remove_unfinished(run: TrackedRun) -> None:
    """Remove an archive that a killed session left: nothing in it can be read."""
    for path in (run.folder / FOLDER).glob(UNFINISHED):
        path.unlink()


def log_run(experiment: "CometExperiment", *, run: TrackedRun) -> None:
    """Log what is known before the first epoch."""
    experiment.log_parameters(
        {name: "null" if value is None else value for name, value in run.parameters.items()}
    )
    experiment.log_others({f"git/{name}": value for name, value in run.git.items()})
    _check(
        [
            (path, experiment.log_asset(str(path), file_name=path.name, overwrite=True))
            for path in run.files
        ]
    )


def log_epoch(
    experiment: "CometExperiment", *, epoch: int, metrics: Mapping[str, float], step: int
) -> None:
    """Log an epoch's metrics. NaN, a class with no strips, is a gap: Comet draws no other."""
    known = {name: value for name, value in metrics.items() if not math.isnan(value)}
    experiment.log_metrics(known, epoch=epoch, step=step)


def log_picture(
    experiment: "CometExperiment", *, path: Path, name: str, epoch: int, step: int
) -> None:
    """Log a picture as the file it is: of an array, Comet stretches the contrast."""
    logged = experiment.log_image(str(path), name=name, step=step, metadata={"epoch": epoch})
    _check([(path, logged)])


def log_result(experiment: "CometExperiment", *, metrics: Mapping[str, float]) -> None:
    """Log the final metrics, one column each in Comet's table."""
    experiment.log_others({f"best/{name}": value for name, value in metrics.items()})


def _open(run: TrackedRun, place: Place, folder: Path | None = None) -> "CometExperiment":
    """Start an experiment, offline where a folder is given.

    What Comet would collect by itself is off: the run brings its own record of it.
    """
    comet_ml = load()
    config = comet_ml.ExperimentConfig(
        name=run.name,
        tags=list(run.tags),
        offline_directory=None if folder is None else str(folder),
        log_code=False,
        log_graph=False,
        log_git_metadata=False,
        log_git_patch=False,
        log_env_details=False,
        parse_args=False,
        auto_output_logging=False,
        auto_param_logging=False,
        auto_metric_logging=False,
        auto_log_co2=False,
        display_summary_level=0,
    )
    return comet_ml.start(  # type: ignore[no-any-return]
        online=folder is None,
        mode="get_or_create",
        experiment_key=experiment_key(run),
        project_name=place.project,
        workspace=place.workspace,
        experiment_config=config,
    )


def _check(logged: Iterable[tuple[Path, object]]) -> None:
    """Comet's logging calls return None where they fail."""
    refused = [path.name for path, answer in logged if answer is None]
    if refused:
        raise TrackingError(f"{', '.join(refused)} not taken")
