"""The model registry and the artifacts of a Comet server, as the real client asks for them."""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Answer = tuple[int, dict[str, Any]]


@dataclass
class ModelVersion:
    """A version of a registered model, from the request that made it."""

    item: str
    key: str
    body: dict[str, Any]
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass
class Registry:
    """Registered models."""

    models: dict[str, list[ModelVersion]] = field(default_factory=dict)

    def take(self, path: str, key: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create a version, or set its metadata; what the server answers."""
        if path.endswith("/item/create"):
            versions = self.models.setdefault(body["registryModelName"], [])
            item = f"item{sum(map(len, self.models.values()))}"
            versions.append(ModelVersion(item, key, body))
            return {"registryModelItemId": versions[-1].item}
        self._version(path).metadata = {e["key"]: e["value"] for e in body["metadata"]}
        return {}

    def told(self, question: str, body: dict[str, Any]) -> Answer:
        """The versions of a model, or the metadata of one."""
        if question.endswith("/metadata"):
            metadata = self._version(question).metadata
            return 200, {"metadata": [{"key": k, "value": v} for k, v in metadata.items()]}
        if body["modelName"] not in self.models:
            return 404, {"msg": "no such model"}
        versions = self.models[body["modelName"]]
        return 200, {
            "versions": [
                {"registryModelItemId": v.item, "experimentModel": {"experimentKey": v.key}}
                for v in versions
            ]
        }

    def _version(self, path: str) -> ModelVersion:
        item = path.split("/")[-2]
        (version,) = (v for versions in self.models.values() for v in versions if v.item == item)
        return version


def zipped(files: Sequence[tuple[str, bytes]]) -> bytes:
    """The files of a model as the server sends them to somebody who downloads it."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, file in files:
            archive.writestr(name, file)
    return content.getvalue()
