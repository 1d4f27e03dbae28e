"""Comet's model registry: the version that a run has registered, and its metadata.

A version is listed with the key of its experiment, and that is how a run knows its own. comet_ml
creates a version first and adds its metadata with a second request. A kill in between leaves a
version without metadata, which is completed and not registered again.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple


class ModelVersion(NamedTuple):
    """A version of a registered model.

    Attributes:
        item: Comet's id of the version.
        has_metadata: Whether it has its metadata, or the server takes none.
    """

    item: str
    has_metadata: bool


def find_version(api: Any, workspace: str, model: str, key: str) -> ModelVersion | None:
    """The version that an experiment has registered; None before.

    Args:
        api: comet_ml.API.
        workspace: Workspace of the experiment.
        model: Name of the registered model.
        key: Key of the experiment.
    """
    from comet_ml.exceptions import NotFound

    try:
        versions = api.get_registry_model_details(workspace, model)["versions"]
    except NotFound:
        return None
    for version in versions:
        if version["experimentModel"]["experimentKey"] == key:
            item = version["registryModelItemId"]
            return ModelVersion(item, has_metadata=_has_metadata(api, item))
    return None


def takes_metadata(api: Any) -> bool:
    """Whether the server is recent enough to have metadata of versions."""
    from comet_ml.api_objects.model import model
    from comet_ml.semantic_version import SemanticVersion

    least = SemanticVersion.parse(model.UPDATE_METADATA_COMPATIBLE_BACKEND_VERSION)
    return bool(api._client.get_api_backend_version() >= least)


def add_metadata(api: Any, item: str, metadata: Mapping[str, Any]) -> None:
    """Give a version its metadata, in the place of earlier one.

    Args:
        api: comet_ml.API.
        item: Comet's id of the version.
        metadata: Names and values.
    """
    entries = [{"key": name, "value": value} for name, value in metadata.items()]
    api._client.post_from_endpoint(_address("write/", item), payload={"metadata": entries})


def _has_metadata(api: Any, item: str) -> bool:
    if not takes_metadata(api):
        return True
    answer = api._client.get_from_endpoint(_address("", item), params=None, return_type="json")
    return bool(answer["metadata"])


def _address(before: str, item: str) -> str:
    return f"{before}registry-model/item/{item}/metadata"
