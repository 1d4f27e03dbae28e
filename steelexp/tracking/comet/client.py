"""comet_ml with its settings: the API key, errors in words, and what the server holds.

comet_ml is imported when first needed; importing it takes 1.7 s.
"""

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from steelexp.errors import UserError
from steelexp.tracking.comet import clock, registry
from steelexp.tracking.comet.registry import ModelVersion

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
