"""What is asked of comet_ml: its settings, an experiment, an archive, and what the server holds.

comet_ml is imported when first needed; importing it takes 1.7 s.
"""

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from steelexp.errors import UserError
from steelexp.tracking.comet import clock, registry
from steelexp.tracking.comet.registry import ModelVersion
from steelexp.tracking.journal import Event

if TYPE_CHECKING:
    from comet_ml import CometExperiment

# Comet reads these from the environment; what is set there already stays.
SETTINGS = {
    "COMET_DISABLE_AUTO_LOGGING": "1",  # it would patch TensorFlow, and does not see tf_keras
    "COMET_ERROR_TRACKING_ENABLE": "false",  # no reports to a third party
    "COMET_LOGGING_CONSOLE": "CRITICAL",  # what it has to say goes into the receipt
    # With a server away, start() tries ten times and takes 29 s; with these 5 s at most.
    "COMET_TIMEOUT_HTTP": "5",
    "COMET_TIMEOUT_API": "5",
    "COMET_GET_OR_ADD_EXPERIMENT_RETRY_CONNECT": "0",
    "COMET_GET_OR_ADD_EXPERIMENT_RETRY_READ": "0",
    "COMET_GET_OR_ADD_EXPERIMENT_RETRY_TOTAL": "1",
    # flush() waits an hour for messages and three for files.
    "COMET_TIMEOUT_CLEANING": "10",
    "COMET_TIMEOUT_UPLOAD": "20",
    # Metrics would be sent again after an answer that got lost, although the server has them: by
    # the session's retries, and when a connection comes back, which a check each so many seconds
    # notices.
    "COMET_HTTP_SESSION_RETRY_TOTAL": "0",
    "COMET_FALLBACK_STREAMER_CONNECTION_CHECK_INTERVAL": "1000000000",
    "COMET_MESSAGE_BATCH_METRIC_INTERVAL": "1000000000",  # an epoch is one request, sent by flush()
    "COMET_INTERNAL_WORKER_COUNT": "1",  # files in the order in which they were logged
    # The archive Comet writes after a lost connection becomes a second experiment when sent.
    "COMET_FALLBACK_STREAMER_FALLBACK_TO_OFFLINE_MIN_BACKEND_VERSION": "999.0.0",
}

FOLDER = "comet"
UNFINISHED = "*-*.zip"  # Comet adds a random word to the key; the finished archive has none


@dataclass(frozen=True)
class ServerContents:
    """What the server holds of an experiment.

    Attributes:
        metrics: (name, step) of every value.
        events: numbers of the events that came as files.
        files: names of all files.
        printed: lines of the console when this process first asked.
        version: version of its registered model; None where it is not registered.
        takes_metadata: whether versions of models have metadata there.
        examples: Comet's ids of the examples by path, also of those that were just handed over.
    """

    metrics: frozenset[tuple[str, int]] = frozenset()
    events: frozenset[int] = frozenset()
    files: frozenset[str] = frozenset()
    printed: frozenset[str] = frozenset()
    version: ModelVersion | None = None
    takes_metadata: bool = True
    examples: dict[str, str] = field(default_factory=dict)


def load() -> ModuleType:
    """Return comet_ml, imported with `SETTINGS`."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # a warning a retry
    import comet_ml

    from steelexp.tracking.comet import session

    session.install()
    clock.install()
    return comet_ml


def api_key() -> str | None:
    """Return the configured API key: COMET_API_KEY, or api_key in one of Comet's own files."""
    comet_ml = load()
    key = comet_ml.get_api_key(None, comet_ml.get_config())
    return str(key) if key else None


def reason(error: Exception) -> str:
    """Return why a call of comet_ml failed, as a person would say it, without the API key."""
    server = load().get_backend_address()
    kind = type(error).__name__
    if kind == "SSLError":
        return f"{server} has no valid TLS certificate, or does not speak TLS"
    if type(error).__module__.startswith("requests."):
        return f"{server} does not answer"
    if kind == "InvalidAPIKey":  # its own text is the key
        return f"{server} does not accept the API key"
    text = str(error) or kind
    return text.replace(key, "***") if (key := api_key()) else text


@contextmanager
def explain_answers() -> Iterator[None]:
    """Turn errors about an answer of another shape, such as a proxy's page, into one that says so.

    Raises:
        UserError: The server answers, and not as Comet does.
    """
    try:
        yield
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        if type(error).__module__.startswith("requests.") and not isinstance(
            error, json.JSONDecodeError
        ):
            raise
        server = load().get_backend_address()
        raise UserError(f"{server} does not answer as Comet does") from error


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


@explain_answers()
def contents(
    key: str, *, model: str | None, printed: frozenset[str] | None = None
) -> ServerContents:
    """Ask the server what it holds of an experiment.

    Args:
        key: Key of an existing experiment.
        model: Name of the model whose registration to ask for; None for no model.
        printed: Lines of the console, where they are known; None asks for them.

    Raises:
        UserError: The server answers, and not as Comet does.
    """
    api = load().API(cache=False)
    experiment = load().APIExperiment(previous_experiment=key, api=api)
    files = experiment.get_asset_list()
    metrics = experiment.get_metrics()
    return ServerContents(
        frozenset((metric["metricName"], int(metric["step"] or 0)) for metric in metrics),
        frozenset(number for file in files if (number := _event_of(file)) is not None),
        frozenset(str(file["fileName"]) for file in files),
        frozenset((experiment.get_output() or "").splitlines()) if printed is None else printed,
        None if model is None else registry.find_version(api, experiment.workspace, model, key),
        model is None or registry.takes_metadata(api),
        dict(filter(None, map(_example_of, files))),
    )


def add_metadata(version: ModelVersion, metadata: Mapping[str, Any]) -> None:
    """Give a version of a registered model its metadata."""
    registry.add_metadata(load().API(cache=False), version.item, metadata)


def confusion_matrix(**settings: Any) -> Any:
    """Comet's confusion matrix of a matrix and its examples by (row, column)."""
    return load().ConfusionMatrix(**settings)


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


def _event_of(file: Mapping[str, Any]) -> int | None:
    """The event that a file came with."""
    number = _metadata_of(file).get("event")
    return None if number is None else int(number)


def _example_of(file: Mapping[str, Any]) -> tuple[str, str] | None:
    """Path and id of an example; None for another file."""
    path = _metadata_of(file).get("path")
    return None if path is None else (str(path), str(file["assetId"]))


def _metadata_of(file: Mapping[str, Any]) -> Mapping[str, Any]:
    """The metadata of a file; the server gives them as JSON or parsed."""
    metadata = file.get("metadata")
    if isinstance(metadata, str):
        try:
            metadata = json.loads(metadata)
        except ValueError:
            return {}
    return metadata if isinstance(metadata, Mapping) else {}


@explain_answers()
def save_views(states: Mapping[str, Mapping[str, Any]], project: str, workspace: str | None) -> str:
    """Save dashboards, each in the place of the one of its name.

    Args:
        states: Name of a dashboard -> fields of comet_ml's View.
        project: Existing project.
        workspace: Workspace; None for the default one.

    Returns:
        WORKSPACE/PROJECT.

    Raises:
        UserError: There is no such project, or the server does not answer as Comet does.
    """
    api = load().API(cache=False)
    workspace = workspace or api.get_default_workspace()
    details = api.get_project(workspace, project)
    if details is None:
        raise UserError(f"there is no project {workspace}/{project}; track a run there first")
    from comet_ml.api_objects.view import View

    earlier = {view.name: view.template_id for view in api.get_views(workspace, project)}
    for name, state in states.items():
        view = View(name=name, template_id=earlier.get(name), **state)
        # API.create_view drops the id of the view that is to be updated.
        api._client.upsert_view(details["projectId"], view)
    return f"{workspace}/{project}"
