"""Experiments of comet_ml: live or as an archive, from their begin to their end."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steelexp.errors import UserError
from steelexp.tracking.comet import clock
from steelexp.tracking.comet.client import explain_answers, load
from steelexp.tracking.journal import Event

if TYPE_CHECKING:
    from comet_ml import CometExperiment

FOLDER = "comet"
UNFINISHED = "*-*.zip"  # Comet adds a random word to the key; the finished archive has none


def open_live(run: Mapping[str, Any]) -> "CometExperiment":
    """Open a run's experiment at the server, a new one or the one that is there.

    Args:
        run: Content of the journal's first event.

    Raises:
        UserError: the server answers, and takes no data for this experiment.
    """
    with explain_answers():
        experiment = _open(run)
    if not experiment.alive:
        raise UserError(f"{load().get_backend_address()} does not take the experiment")
    return experiment


def flush(experiment: "CometExperiment", *, files: int, seconds: float) -> bool:
    """Wait until the client has handed over what it was given; whether nothing was lost by then.

    Args:
        experiment: Live experiment.
        files: Bytes of files to send; more than 1 MB may take a second each 100 kB.
        seconds: Longest time to wait.
    """
    timeout: Any = None if files < 1_000_000 else min(seconds, 20 + files / 100_000)
    # Twice: the first may return before the client's queue has seen what was logged last.
    flushed = experiment.flush(timeout) and experiment.flush(timeout)
    streamer: Any = experiment.streamer
    return bool(flushed and streamer.has_connection_to_server())


def is_offline(experiment: "CometExperiment") -> bool:
    """Whether an experiment is written to an archive."""
    return isinstance(experiment, load().OfflineExperiment)


@contextmanager
def archive(run: Event, folder: Path, *, end: float) -> Iterator["CometExperiment"]:
    """Write what is logged into the experiment that this yields to comet/KEY.zip.

    `comet upload` sends it, and continues the experiment of the same key where there is one.

    Args:
        run: First event of the journal.
        folder: Run folder.
        end: Time at which the run ended, in seconds since 1970.

    Raises:
        UserError: comet_ml wrote no archive.
    """
    folder = folder / FOLDER
    folder.mkdir(exist_ok=True)
    _remove_unfinished(folder)
    with clock.at(run.time):
        experiment = _open(run.content, folder)
    yield experiment
    _end(experiment, end)
    file = next(folder.glob(UNFINISHED), None)
    if file is None:
        raise UserError("comet_ml wrote no archive")
    file.replace(folder / f"{run.content['key']}.zip")


def close(experiment: "CometExperiment", *, begin: float, end: float) -> None:
    """End a live experiment, which then lasted as long as its run and not as long as its sending.

    Args:
        experiment: Live experiment.
        begin: Time at which the run began, in seconds since 1970.
        end: Time at which it ended.
    """
    live: Any = experiment
    mark_as_ended = live._mark_as_ended

    def mark_with_times() -> None:
        """The times come last, as in `comet upload`: at the end the server notes its own."""
        mark_as_ended()
        send_times(experiment, begin=begin, end=end)

    live._mark_as_ended = mark_with_times
    _end(experiment, end)


def send_times(experiment: "CometExperiment", *, begin: float, end: float) -> None:
    """Tell the server when a run began and ended, both in seconds since 1970."""
    live: Any = experiment
    milliseconds = [round(1000 * time) for time in (begin, end)]
    live.connection.offline_experiment_start_end_time(live.run_id, *milliseconds)


def _end(experiment: "CometExperiment", end: float) -> None:
    """End an experiment, without the client's metric of how long its own process took."""
    experiment._log_metric = _send_nothing  # type: ignore[method-assign]
    with clock.at(end):
        experiment.end()


def _remove_unfinished(folder: Path) -> None:
    """Remove an archive that a killed process left: nothing in it can be read."""
    for path in folder.glob(UNFINISHED):
        path.unlink()


def _open(run: Mapping[str, Any], folder: Path | None = None) -> "CometExperiment":
    """Start an experiment, offline where a folder is given.

    What Comet would collect by itself is off: the run brings its own record of it.
    """
    comet_ml = load()
    config = comet_ml.ExperimentConfig(
        name=run["name"],
        tags=run["tags"],
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
    experiment: CometExperiment = comet_ml.start(
        online=folder is None,
        mode="get_or_create",
        experiment_key=run["key"],
        project_name=run["project"],
        workspace=run["workspace"],
        experiment_config=config,
    )
    # At its end the client would mail the user a summary whose title is the name of the account.
    experiment.send_notification = _send_nothing  # type: ignore[method-assign]
    return experiment


def notify(
    experiment: "CometExperiment", title: str, status: str, values: Mapping[str, float]
) -> None:
    """Ask the server to tell the owner of the API key, with one request.

    Args:
        experiment: Live experiment; an offline one does nothing.
        title: Subject of the message.
        status: One word.
        values: Numbers below it.
    """
    live = load().Experiment
    if isinstance(experiment, live):
        # Not that of its own class: an experiment that goes on would send nothing.
        live.send_notification(experiment, title, status, dict(values))


def _send_nothing(*args: Any, **kwargs: Any) -> None:
    """Send no notification."""
