"""A version of a model that was registered by half is completed, and not registered again."""

from pathlib import Path

from steelexp.tracking.comet.client import ServerContents
from steelexp.tracking.comet.events import is_held
from steelexp.tracking.comet.registry import ModelVersion
from steelexp.tracking.delivery import sync
from steelexp.tracking.journal import Event
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


def test_a_version_of_an_earlier_journal_lacks_no_metadata() -> None:
    """Journals of earlier versions name the file and the model alone."""
    server = ServerContents(
        events=frozenset({18}), version=ModelVersion("item", has_metadata=False)
    )
    file = {"name": "tiny", "path": "weights/best.h5", "sha256": "ab" * 32}
    assert is_held(Event(18, "model", 0.0, file), server)
    assert not is_held(Event(18, "model", 0.0, {**file, "metadata": {"run": "3f9c"}}), server)
