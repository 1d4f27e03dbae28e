"""The data of runs at Comet: one version for one digest, and the runs that consumed it."""

import json
import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from steelexp.tracking.comet import artifacts
from steelexp.tracking.comet.tracker import comet as tracker_of
from steelexp.tracking.delivery import sync
from steelexp.tracking.receipt import read_receipt
from tests.comet_artifacts import Version
from tests.comet_expectations import assert_all_arrived, key_of
from tests.comet_server import CometServer, comet_server, point_to
from tests.tracked_run import DIGEST, data_of, described, end, train

NAME = "severstal-steel"


def versions(server: CometServer) -> list[Version]:
    return server.artifacts.versions.get(NAME, [])


def track(folder: Path, digest: str = DIGEST) -> str:
    """A run of other data, if its digest is another; its key."""
    tracker = tracker_of(mode="online")
    tracker.start(replace(described(folder), data=data_of(folder, digest)))
    assert end(tracker, {}).startswith("Comet: 0 epochs")
    return key_of(folder)


def folder_of(folder: Path, name: str) -> Path:
    place = folder / name
    place.mkdir()
    return place


def test_one_version_for_one_digest(server: CometServer, folder: Path) -> None:
    one, two, other = (
        track(folder_of(folder, name), digest)
        for name, digest in (("one", DIGEST), ("two", DIGEST), ("other", "ef" * 32))
    )
    first, second = versions(server)
    assert (first.number, second.number) == ("1.0.0", "2.0.0")
    assert (first.consumers, second.consumers) == ({one, two}, {other})
    assert (first.body["experimentKey"], second.body["experimentKey"]) == (one, other)
    assert first.state == "CLOSED"
    assert first.uploads == ["images.csv"]
    assert first.files["images.csv"] == (folder / "one" / "images.csv").read_bytes()
    assert json.loads(first.body["versionMetadata"]) == {"digest": DIGEST, "images": 2}


def test_offline_the_archive_says_that_it_lacks_the_data_and_sync_sends_them(folder: Path) -> None:
    line = train(folder, 1, "offline")
    assert f"; left out: data {NAME}: an archive cannot hold it, sync sends it; " in line
    with comet_server() as server:
        point_to(server, os.environ)
        scripts = {**os.environ, "PATH": str(Path(sys.executable).parent)}
        command = shlex.split(line.split("  or: ")[1])
        subprocess.run(command, env=scripts, check=True, capture_output=True)
        assert versions(server) == []
        complete, line = sync(folder)
        assert complete
        assert "left out" not in line
        assert read_receipt(folder).refused == {}
        assert [version.consumers for version in versions(server)] == [{key_of(folder)}]
        assert_all_arrived(server, folder, 1)


@pytest.mark.parametrize(
    "ending",
    [
        "/artifacts/state",
        pytest.param("/asset/upload", marks=pytest.mark.slow),
        pytest.param("/artifacts/version", marks=pytest.mark.slow),
    ],
)
def test_a_version_that_was_left_half_made_is_completed(
    server: CometServer, folder: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server out of order just then does to the client what a kill does."""
    monkeypatch.setattr(artifacts, "CLOSING_SECONDS", 0.5)
    for what in ("HTTP", "API", "CLEANING", "UPLOAD"):
        monkeypatch.setenv(f"COMET_TIMEOUT_{what}", "5")
    server.refusing = lambda request: (
        request.path.endswith(ending)
        and bool({"artifactVersionId", "artifactName"} & request.body.keys())
    )
    train(folder, 1)
    assert not sync(folder)[0]
    server.refusing = lambda request: False
    assert sync(folder)[0]
    assert len([version for version in versions(server) if version.state == "CLOSED"]) == 1
    assert_all_arrived(server, folder, 1)


def test_a_workspace_without_artifacts_gets_all_else(server: CometServer, folder: Path) -> None:
    server.forbidding = lambda request: "/write/artifacts/" in request.path
    assert f"; left out: data {NAME}: not allowed" in train(folder, 1, "online")
    assert len(server.metrics(key_of(folder))) > 5
    assert versions(server) == []


def test_data_are_not_sent_where_that_is_not_wanted(server: CometServer, folder: Path) -> None:
    tracker = tracker_of(mode="online", data="none")
    tracker.start(described(folder))
    end(tracker, {})
    assert versions(server) == []
