"""The data of runs as Comet artifacts: one version for one digest, and who consumed it.

A version is known by its digest, which is one of its tags. The first run with other data makes the
next version. Every run then asks for its version, and so the server knows that it consumed it.
Comet makes a version first and closes it once its files are there. A kill in between leaves an open
version, which the next run with these data completes.

A lock keeps two processes of one account on one machine from making the version of the same data
twice. Processes of several machines or accounts could, if they ask within the same second. The
earliest version is then the data's, for all runs.
"""

import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any, NamedTuple

from steelexp.file_lock import file_lock
from steelexp.file_names import short_name
from steelexp.tracking.comet import experiments
from steelexp.tracking.contents import Data
from steelexp.tracking.service import RefusedError

if TYPE_CHECKING:
    from comet_ml import CometExperiment

TYPE = "dataset"
CLOSED = "CLOSED"
FAILED = "ERROR"

LOCK_SECONDS = 30.0
"""Seconds to wait for another process of this account that makes a version of the same artifact."""

CLOSING_SECONDS = 10.0
"""Seconds to wait until the server has closed a version whose files are sent."""


class ArtifactVersion(NamedTuple):
    """A version of an artifact.

    Attributes:
        artifact_id: Comet's id of the artifact.
        version_id: Comet's id of the version.
        number: Number of the version, such as 2.0.0.
        is_closed: Whether the server has all of its files.
    """

    artifact_id: str
    version_id: str
    number: str
    is_closed: bool


def consume_data(experiment: "CometExperiment", data: Data, files: Sequence[Path]) -> None:
    """Make sure that the version of these data exists, and note that the experiment consumed it.

    Args:
        experiment: Live experiment.
        data: Name, digest and metadata of the data.
        files: Files of the version.

    Raises:
        RefusedError: The server takes no such artifact.
        OSError: The server does not close the version in time.
    """
    from comet_ml.exceptions import CometRestApiException

    live: Any = experiment
    # Of each account its own: another one's file cannot be opened.
    lock = Path(gettempdir()) / f".steelexp-{os.getuid()}-{short_name(data.name)}.lock"
    try:
        with file_lock(lock, wait=LOCK_SECONDS):
            version = _complete_version(live, data, files)
        live.get_artifact(data.name, live.workspace, version.number)
    except CometRestApiException as error:
        if not _is_refusal(error):
            raise
        raise RefusedError(f"data {data.name}: {error.safe_msg or 'not taken'}") from error


def _complete_version(live: Any, data: Data, files: Sequence[Path]) -> ArtifactVersion:
    version = _find(live, data)
    if version is not None and version.is_closed:
        return version
    artifact = _artifact(data, files)
    if version is None:
        version = _create(live, artifact)
    _send_files(live, artifact, version)
    size = sum(path.stat().st_size for path in files)
    experiments.flush(live, files=size, seconds=math.inf)
    deadline = time.monotonic() + CLOSING_SECONDS
    while (now := _find(live, data)) is not None:
        if now.is_closed:
            return now
        if time.monotonic() > deadline:
            raise TimeoutError(f"the server does not close the version of data {data.name}")
        time.sleep(0.2)
    raise OSError(f"the files of data {data.name} did not arrive")


def _find(live: Any, data: Data) -> ArtifactVersion | None:
    """The earliest version of these data that did not fail; None without one."""
    from comet_ml.exceptions import CometRestApiException

    try:
        details = live.rest_api_client.get_artifact_details(
            workspace=live.workspace, name=data.name
        )
    except CometRestApiException as error:
        if not _is_refusal(error):
            raise
        return None  # there is none; whatever else it is, making one tells
    versions = [
        ArtifactVersion(
            details["artifactId"],
            version["artifactVersionId"],
            version["version"],
            is_closed=version["state"] in (None, CLOSED),  # older servers tell no state
        )
        for version in sorted(details["versions"], key=lambda each: each["added"])
        if data.digest in version["tags"] and version["state"] != FAILED
    ]
    return versions[0] if versions else None


def _artifact(data: Data, files: Sequence[Path]) -> Any:
    from comet_ml import Artifact

    metadata = {"digest": data.digest, **data.metadata}
    artifact = Artifact(data.name, TYPE, metadata=metadata, version_tags=[data.digest])
    for path in files:
        artifact.add(str(path), path.name, overwrite=True)
    return artifact


def _create(live: Any, artifact: Any) -> ArtifactVersion:
    answer = live.rest_api_client.upsert_artifact(
        artifact_name=artifact.name,
        artifact_type=artifact.artifact_type,
        experiment_key=live.id,
        metadata=artifact.metadata,
        aliases=[],
        version_tags=list(artifact.version_tags),
    ).json()
    ids = (answer["artifactId"], answer["artifactVersionId"], answer["currentVersion"])
    return ArtifactVersion(*ids, is_closed=False)


def _send_files(live: Any, artifact: Any, version: ArtifactVersion) -> None:
    """What `log_artifact` of comet_ml does after it has made a version."""
    from comet_ml.artifacts import artifact_logger
    from comet_ml.config.config_api import get_check_tls_certificate, get_comet_timeout_http

    closed, failed = (
        artifact_logger._prepare_update_artifact_version_state(
            live.rest_api_client, version.version_id, live.id, state=state
        )
        for state in (CLOSED, FAILED)
    )
    artifact_logger._log_artifact_assets(
        artifact=artifact,
        experiment=live,
        artifact_version_id=version.version_id,
        logged_artifact_workspace=live.workspace,
        logged_artifact_name=artifact.name,
        logged_artifact_version=version.number,
        success_prepared_request=closed,
        failed_prepared_request=failed,
        timeout=get_comet_timeout_http(live.config),
        verify_tls=get_check_tls_certificate(live.config),
    )


def _is_refusal(error: Any) -> bool:
    """Whether the server will answer the same again: not when it is busy or out of order."""
    status = int(error.response.status_code)
    return 400 <= status < 500 and status != 429
