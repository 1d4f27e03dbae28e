"""A version of a model that was registered by half is completed, and not registered again."""

from pathlib import Path

from steelexp.tracking.delivery import sync
from tests.comet_expectations import assert_all_arrived
from tests.comet_server import CometServer
from tests.tracked_run import train


def test_a_version_without_metadata_gets_them(server: CometServer, folder: Path) -> None:
    server.refusing = lambda request: (
        "/write/registry-model/" in request.path and request.path.endswith("/metadata")
    )
    train(folder, 1)
    (version,) = server.registry.models["b4-dice"]
    assert version.metadata == {}
    assert not sync(folder)[0]
    server.refusing = lambda request: False
    assert sync(folder)[0]
    assert_all_arrived(server, folder, 1)
