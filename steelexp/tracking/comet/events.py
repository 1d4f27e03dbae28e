"""The events of a journal as calls of Comet's client: what each kind becomes there."""

import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steelexp.tracking.comet import artifacts, client, clock, experiments, messages
from steelexp.tracking.comet.client import ServerContents
from steelexp.tracking.contents import Data, Model
from steelexp.tracking.journal import Event, unchanged
from steelexp.tracking.service import RefusedError

if TYPE_CHECKING:
    from comet_ml import CometExperiment


def log(event: Event, experiment: "CometExperiment", folder: Path, server: ServerContents) -> None:
    """Hand an event to the client, less what the server holds of it.

    Args:
        event: Event of the journal.
        experiment: Live or offline experiment.
        folder: Run folder.
        server: Contents of the server.

    Raises:
        RefusedError: it cannot be sent, now or later.
    """
    with clock.at(event.time):
        KINDS[event.kind](event, experiment, folder, server)


def is_held(event: Event, server: ServerContents) -> bool:
    """Whether the server has all of an event; what merely overwrites is sent again."""
    content = event.content
    if event.kind in ("epoch", "final"):
        return not _missing_metrics(content["metrics"], content["step"], server)
    if event.kind == "machine":
        return not _missing_metrics(content["metrics"], content["sample"], server)
    if event.kind == "console":
        return set(content["text"].splitlines()) <= server.printed
    if event.kind == "table":
        return content["name"] in server.files
    if event.kind == "model":
        version = server.version
        if event.number not in server.events or version is None:
            return False
        return version.has_metadata or not content.get("metadata")  # earlier versions had none
    return event.number in server.events


def is_listed(event: Event) -> bool:
    """Whether the server can be asked for it."""
    return event.kind in LISTED_KINDS


def _run(event: Event, experiment: "CometExperiment", folder: Path, server: ServerContents) -> None:
    content = event.content
    experiment.log_parameters(
        {name: "null" if value is None else value for name, value in content["parameters"].items()}
    )
    experiment.log_others(content["others"])


def _asset(
    event: Event, experiment: "CometExperiment", folder: Path, server: ServerContents
) -> None:
    path = _file(event.content, folder)
    logged = experiment.log_asset(str(path), path.name, overwrite=True, metadata=_metadata(event))
    _check(logged, path.name)


def _metrics(
    event: Event, experiment: "CometExperiment", folder: Path, server: ServerContents
) -> None:
    content = event.content
    metrics = _missing_metrics(content["metrics"], content["step"], server)
    experiment.log_metrics(metrics, epoch=content["epoch"], step=content["step"])


def _machine(
    event: Event, experiment: "CometExperiment", folder: Path, server: ServerContents
) -> None:
    number = event.content["sample"]
    metrics = _missing_metrics(event.content["metrics"], number, server)
    experiment.log_metrics(metrics, step=number)


def _code(
    event: Event, experiment: "CometExperiment", folder: Path, server: ServerContents
) -> None:
    if event.content["git"]:
        messages.log_git(experiment, event.content["git"])
    if event.content["packages"]:
        messages.log_packages(experiment, event.content["packages"])


def _console(
    event: Event, experiment: "CometExperiment", folder: Path, server: ServerContents
) -> None:
    messages.log_console(experiment, event.content["text"], event.time)


def _picture(
    event: Event, experiment: "CometExperiment", folder: Path, server: ServerContents
) -> None:
    _log_image(event, experiment, folder, {"epoch": event.content["epoch"]})


def _example(
    event: Event, experiment: "CometExperiment", folder: Path, server: ServerContents
) -> None:
    path = event.content["path"]
    logged = _log_image(event, experiment, folder, {"path": path})
    server.examples[path] = logged["imageId"]


def _log_image(
    event: Event, experiment: "CometExperiment", folder: Path, metadata: Mapping[str, Any]
) -> Mapping[str, Any]:
    """As the file it is: of an array, Comet stretches the contrast."""
    content = event.content
    logged = experiment.log_image(
        str(_file(content, folder)),
        name=content["name"],
        step=content["step"],
        annotations=_layers(content, folder),
        metadata={**metadata, **_metadata(event)},
    )
    _check(logged, content["name"])
    return logged or {}


def _layers(content: Mapping[str, Any], folder: Path) -> list[Any]:
    """The layers of a picture; one without polygons makes Comet refuse the whole picture."""
    if content["layers"] is None:
        return []
    layers = json.loads(_file(content["layers"], folder).read_bytes())
    return [layer for layer in layers if layer["data"]]


def _others(
    event: Event, experiment: "CometExperiment", folder: Path, server: ServerContents
) -> None:
    experiment.log_others(dict(event.content))


def _table(
    event: Event, experiment: "CometExperiment", folder: Path, server: ServerContents
) -> None:
    content = event.content
    _check(
        experiment.log_table(content["name"], content["rows"], content["headers"]), content["name"]
    )


def _curve(
    event: Event, experiment: "CometExperiment", folder: Path, server: ServerContents
) -> None:
    content = event.content
    logged = experiment.log_curve(
        content["name"], content["x"], content["y"], True, None, _metadata(event)
    )
    _check(logged, content["name"])


def _confusion(
    event: Event, experiment: "CometExperiment", folder: Path, server: ServerContents
) -> None:
    content = event.content
    ids = [server.examples.get(each["path"]) for each in content.get("examples", ())]
    cells: dict[tuple[int, int], list[int]] = {}  # an example that did not arrive is left out
    for number, each in enumerate(content.get("examples", ())):
        if ids[number] is not None:
            cells.setdefault((each["truth"], each["prediction"]), []).append(number)
    matrix = client.confusion_matrix(
        matrix=content["matrix"],
        labels=content["labels"],
        title=content["title"],
        row_label="Truth",
        column_label="Prediction",
        examples=cells,
        max_categories=len(content["labels"]),
        index_to_example_function=lambda n: {
            "sample": content["examples"][n]["name"],
            "assetId": ids[n],
        },
    )
    logged = experiment.log_confusion_matrix(
        matrix=matrix,
        file_name=content["name"],
        overwrite=True,
        metadata=_metadata(event),
    )
    _check(logged, content["name"])


def _model(
    event: Event, experiment: "CometExperiment", folder: Path, server: ServerContents
) -> None:
    """The file again where only its registration is lacking: that wants it from this session."""
    content = Model.model_validate(event.content)
    if event.number in server.events and server.version is not None:
        client.add_metadata(server.version, content.metadata)
        return
    path = _file(event.content, folder)
    logged = experiment.log_model(
        content.name, str(path), path.name, overwrite=True, metadata=_metadata(event)
    )
    _check(logged, path.name)
    if server.version is None:
        experiment.register_model(
            content.name,
            comment=content.comment,
            tags=content.tags or None,
            status=content.status,
            metadata=content.metadata if server.takes_metadata and content.metadata else None,
        )


def _data(
    event: Event, experiment: "CometExperiment", folder: Path, server: ServerContents
) -> None:
    """An archive cannot hold artifacts."""
    data = Data.model_validate(event.content)
    if experiments.is_offline(experiment):
        raise RefusedError(f"data {data.name}: an archive cannot hold it, sync sends it")
    artifacts.consume_data(
        experiment, data, [_file(entry, folder) for entry in event.content["files"]]
    )


def _alert(
    event: Event, experiment: "CometExperiment", folder: Path, server: ServerContents
) -> None:
    """Mailed to the owner of the API key who has turned notifications on; an archive has none."""
    content = event.content
    experiments.notify(experiment, content["title"], content["name"], content["values"])


KINDS: dict[str, Callable[[Event, "CometExperiment", Path, ServerContents], None]] = {
    "run": _run,
    "asset": _asset,
    "epoch": _metrics,
    "final": _metrics,
    "machine": _machine,
    "code": _code,
    "console": _console,
    "picture": _picture,
    "example": _example,
    "others": _others,
    "table": _table,
    "curve": _curve,
    "confusion": _confusion,
    "model": _model,
    "data": _data,
    "alert": _alert,
}

LISTED_KINDS = frozenset(set(KINDS) - {"run", "others", "data", "alert", "code", "console"})
"""Kinds that the server lists for sure, as metrics or as files."""


def _metadata(event: Event) -> dict[str, Any]:
    """What a file is known by at the server, and when it was written."""
    time = datetime.fromtimestamp(event.time, UTC).isoformat(timespec="milliseconds")
    return {"event": event.number, "time": time}


def _missing_metrics(
    metrics: Mapping[str, float], step: int, server: ServerContents
) -> dict[str, float]:
    """Metrics that the server does not have at a step.

    NaN, a class with no images, is a gap: Comet draws no other.
    """
    return {
        name: value
        for name, value in metrics.items()
        if math.isfinite(value) and (name, step) not in server.metrics
    }


def _file(entry: Any, folder: Path) -> Path:
    path = unchanged(entry, folder)
    if path is None:
        raise RefusedError(f"{entry['path']} is no longer what it was")
    return path


def _check(answer: object, name: str) -> None:
    """Comet's logging calls return None where they fail."""
    if answer is None:
        raise RefusedError(f"{name}: not taken by comet_ml")
