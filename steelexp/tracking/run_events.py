"""Events about a run and its epochs: what each of them holds, and what it is about."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

from steelexp.tracking.journal import New, file_entry
from steelexp.tracking.tracker import Picture, TrackedData, TrackedRun

Warnings = Callable[[str], AbstractContextManager[None]]
"""Turns errors into warnings that begin with these words."""

NATIVE: Final = ("commit", "branch")
"""Facts about the checkout that services have a place of their own for."""

PICTURE_BYTES = 1 << 25
"""A larger picture is left out: to hash and to send it would take too long."""


def run_content(
    run: TrackedRun, *, service: str, project: str, workspace: str | None, alerts: Sequence[str]
) -> dict[str, Any]:
    """Content of the first event, with a new key for the experiment.

    Args:
        run: The run.
        service: Name of the service.
        project: Project at the service.
        workspace: Workspace at the service; None for the user's default.
        alerts: Alerts that the run has.
    """
    others: dict[str, Any] = {
        f"git/{name}": value for name, value in run.git.items() if name not in NATIVE
    }
    tags = list(run.tags)
    others["kind"] = run.kind if run.trial is None else "trial"
    if run.trial is not None:
        tags.append(f"search {run.trial.search}")
        others |= {"search": run.trial.search, "search/trial": run.trial.trial}
        others |= {"search/settings": ", ".join(run.trial.values)}
    moment = f"{run.identity}/{time.time_ns()}"  # a run begun anew is another experiment
    return {
        "service": service,
        "key": hashlib.sha1(moment.encode(), usedforsecurity=False).hexdigest(),
        "project": project,
        "workspace": workspace,
        "name": run.name,
        "tags": tags,
        "parameters": dict(run.parameters),
        "others": others,
        "model": run.model,
        "alerts": list(alerts),
    }


def file_events(paths: Sequence[Path], folder: Path, warnings: Warnings) -> Iterator[New]:
    """Files of a run folder as assets; empty ones are left out, because Comet refuses them."""
    for path in paths:
        with warnings("left out: "):
            if path.stat().st_size:
                yield "asset", file_entry(path, folder)


def picture_events(
    place: Mapping[str, int], pictures: Sequence[Picture], folder: Path, warnings: Warnings
) -> Iterator[New]:
    """Pictures of an epoch.

    Args:
        place: Number of the epoch and its optimizer steps.
        pictures: Pictures.
        folder: Run folder.
        warnings: Function that turns errors into warnings.
    """
    for picture in pictures:
        with warnings("left out: "):
            yield "picture", {**place, **_picture_content(picture, folder)}


def data_content(data: TrackedData, folder: Path) -> Mapping[str, Any]:
    """Content of the event about the data of a run."""
    files = [file_entry(path, folder) for path in data.files]
    facts = {"name": data.name, "digest": data.digest, "metadata": dict(data.metadata)}
    return {**facts, "files": files}


def _picture_content(picture: Picture, folder: Path) -> Mapping[str, Any]:
    layers = None if picture.layers is None else file_entry(picture.layers, folder)
    file = file_entry(picture.path, folder, most=PICTURE_BYTES)
    return {"name": picture.name, "layers": layers, **file}


def subject(kind: str, content: Mapping[str, Any]) -> tuple[Any, ...]:
    """What an event is about; of one thing the journal holds one event, of others the changes."""
    if kind in ("others", "final", "code"):
        return kind, json.dumps(content, sort_keys=True)
    fields = ("epoch", "name", "path", "line", "sample")
    return kind, *(content.get(field) for field in fields)
