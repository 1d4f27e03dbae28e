"""The tracker `comet`: live where an API key is configured, an offline archive otherwise."""

from importlib.util import find_spec
from typing import Annotated, Literal

from pydantic import Field, Strict

from steelexp.command_line import install_line, script_line
from steelexp.errors import UserError
from steelexp.records.review import EXAMPLES_PER_CELL, WORST_PER_CLASS
from steelexp.tracking.alerts import ALERTS, Alert
from steelexp.tracking.attachments import PARTS, Part
from steelexp.tracking.comet.client import api_key
from steelexp.tracking.journaled import SYSTEM_SECONDS, JournaledTracker
from steelexp.tracking.review_events import ReviewPictures
from steelexp.tracking.service import Mode
from steelexp.tracking.tracker import ModelFormat, Tracker

Parts = Annotated[tuple[Part, ...], Strict(False)]
Alerts = Annotated[tuple[Alert, ...], Strict(False)]


def comet(
    *,
    project: str = "steelexp",
    workspace: str | None = None,
    mode: Mode = "auto",
    alerts: Alerts = ALERTS,
    trial_alerts: Alerts = (),
    model: ModelFormat = "weights",
    model_status: str | None = None,
    data: Literal["manifest", "none"] = "manifest",
    contents: Parts = PARTS,
    system_seconds: Annotated[float, Field(gt=0, le=86_400)] = SYSTEM_SECONDS,
    examples: Annotated[int, Field(ge=0, le=EXAMPLES_PER_CELL)] = EXAMPLES_PER_CELL,
    worst: Annotated[int, Field(ge=0, le=WORST_PER_CLASS)] = WORST_PER_CLASS,
) -> Tracker:
    """Comet (https://www.comet.com): live with an API key, an offline archive otherwise.

    Args:
        project: Comet project.
        workspace: Comet workspace; absent: the default of the API key's owner.
        mode: `auto`: live where an API key is configured and the server answers; `online`: refused
            without an API key; `offline`: always an archive.
        alerts: Notifications of a run, each sent at most once. `diverged`; `stalled`: no epoch for
            ten times the median epoch, and ten minutes; `finished`; `best`: better than every
            finished run on the same images. Comet mails them to the owner of the API key, if
            notifications are on in the account's settings.
        trial_alerts: Notifications of each trial of a search.
        model: Form of the network that a finished run registers: `weights`, a folder for predict,
            evaluate and export in a zip file, without the optimizer; `onnx`, the network with its
            model card; `none`. Trials of a search register nothing.
        model_status: Status of the registered version, one that the workspace has, such as
            Development; absent: none.
        data: Record of the data set at Comet: `manifest`, an artifact with the names and digests of
            images and labels and the split, one version for one digest; `none`.
        contents: Additions to metrics, settings and pictures. `source`: modules and
            templates of steelexp; `packages`: installed packages; `console`: what was printed;
            `page`: report.html; `plots`: plots of the evaluation; `scores`: scores of each image;
            `system`: use of processors, memory, disk and GPUs. Of a trial of a search: packages,
            console and system at most. docs/tracking.md has the largest sizes.
        system_seconds: Seconds between two samples of the system; they double every 500 samples.
        examples: Most examples of each cell of the confusion of components.
        worst: Most worst images of each class.

    Returns:
        A tracker of one run.

    Raises:
        UserError: `mode: online` and no API key is configured, `model: onnx` and a package for it
            is missing, or a setting has no effect beside another.
    """
    if mode == "online" and api_key() is None:
        raise UserError(
            "tracking.mode is online, and no Comet API key is configured: set COMET_API_KEY, "
            "or set tracking.mode to auto or offline, or run: " + script_line("comet", "login")
        )
    if model == "onnx" and find_spec("tf2onnx") is None:
        raise UserError(
            f"tracking.model is onnx, and tf2onnx is missing: {install_line('export')}, or set "
            "tracking.model to weights or none"
        )
    if model == "none" and model_status is not None:
        raise UserError(
            f"tracking.model_status is {model_status}: without effect with tracking.model none; "
            "leave it out"
        )
    if "system" not in contents and system_seconds != SYSTEM_SECONDS:
        raise UserError(
            f"tracking.system_seconds is {system_seconds:g}: without effect, tracking.contents has "
            "no system; leave it out"
        )
    return JournaledTracker(
        "comet",
        project=project,
        workspace=workspace,
        mode=mode,
        alerts=alerts,
        trial_alerts=trial_alerts,
        model_format=model,
        model_status=model_status,
        with_data=data == "manifest",
        parts=contents,
        system_seconds=system_seconds,
        pictures=ReviewPictures(examples, worst),
    )
