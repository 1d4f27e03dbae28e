"""The artifacts of a Comet server, as the real client makes them and asks for them."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

NOT_FOUND = 624523
NOT_FINAL = 90403
"""Comet's own codes (comet_ml.artifacts.artifact_getter)."""

Answer = tuple[int, dict[str, Any]]


@dataclass
class Version:
    """A version of an artifact.

    Attributes:
        number: number, such as 2.0.0.
        body: the request that made it.
        files: its files by name.
        uploads: names of its files as they came.
        state: None while it is open.
        consumers: keys of the experiments that asked for it.
    """

    number: str
    body: dict[str, Any]
    files: dict[str, bytes] = field(default_factory=dict)
    uploads: list[str] = field(default_factory=list)
    state: str = "OPEN"
    consumers: set[str] = field(default_factory=set)


@dataclass
class Artifacts:
    """Artifacts by name, each with its versions in order."""

    versions: dict[str, list[Version]] = field(default_factory=dict)

    def take(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Make a version, or set its state; what the server answers."""
        if path.endswith("/state"):
            self._by_id(body["artifactVersionId"]).state = body["state"]
            return {}
        name = body["artifactName"]
        versions = self.versions.setdefault(name, [])
        before = versions[-1].number if versions else None
        versions.append(Version(f"{len(versions) + 1}.0.0", body))
        return {
            "artifactId": name,
            "artifactVersionId": f"{name}#{len(versions)}",
            "currentVersion": versions[-1].number,
            "previousVersion": before,
        }

    def upload(self, version_id: str, name: str, content: bytes) -> None:
        """Add a file to a version, or replace it."""
        version = self._by_id(version_id)
        version.files[name] = content
        version.uploads.append(name)

    def told(self, question: str, body: dict[str, Any]) -> Answer:
        """All versions of an artifact, or one, which is then consumed."""
        name = unquote(body["artifactName"])
        if name not in self.versions:
            return 400, {"msg": "no such artifact", "sdk_error_code": NOT_FOUND}
        if question == "artifacts/get":
            versions = [self._listed(name, number) for number in range(len(self.versions[name]))]
            return 200, {"artifactId": name, "name": name, "versions": versions}
        place = [v.number for v in self.versions[name]].index(body["versionOrAlias"])
        version = self.versions[name][place]
        if version.state != "CLOSED":
            return 400, {"msg": "not final", "sdk_error_code": NOT_FINAL}
        version.consumers.add(body["consumerExperimentKey"])
        return 200, self._detailed(name, place)

    def _listed(self, name: str, place: int) -> dict[str, Any]:
        version = self.versions[name][place]
        return {
            "artifactVersionId": f"{name}#{place + 1}",
            "version": version.number,
            "state": version.state,
            "added": 1621948911721 + place,
            "alias": version.body["alias"],
            "tags": version.body["versionTags"],
            "metadata": version.body["versionMetadata"],
        }

    def _detailed(self, name: str, place: int) -> dict[str, Any]:
        version = self.versions[name][place]
        kind = version.body["artifactType"]
        artifact = {"artifactId": name, "artifactName": name, "artifactType": kind, "tags": []}
        return {
            "artifact": {**artifact, "workspaceName": "team"},
            "artifactVersion": version.number,
            "artifactVersionId": f"{name}#{place + 1}",
            "metadata": version.body["versionMetadata"],
            "alias": version.body["alias"],
            "tags": version.body["versionTags"],
            "sizeInBytes": sum(map(len, version.files.values())),
            "experimentKey": version.body["experimentKey"],
        }

    def _by_id(self, version_id: str) -> Version:
        name, _, number = version_id.rpartition("#")
        return self.versions[name][int(number) - 1]
