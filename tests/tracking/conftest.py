"""A clean Comet environment, a server on loopback, and runs to track."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from steelexp.tracking import delivery
from steelexp.tracking.comet import client as comet_client
from tests import forked
from tests.comet_server import CometServer, comet_server, point_to


@pytest.fixture(autouse=True)
def clean(no_comet_settings: None) -> None:
    """Every test here starts without settings of Comet's."""


@pytest.fixture(autouse=True)
def quick(clean: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sending processes are forked from this one, with comet_ml imported."""
    comet_client.load()
    monkeypatch.setattr(delivery, "begin_sending", forked.begin_sending)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[CometServer]:
    """A server that the client is pointed to."""
    with comet_server() as server:
        point_to(server, os.environ)
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder with a space in its name."""
    path = tmp_path / "a run"
    path.mkdir()
    return path
