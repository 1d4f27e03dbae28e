"""A clean Comet environment, a server on loopback, and runs to track."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from steelexp.tracking import TrackedRun
from tests.comet_server import API_KEY, CometServer, comet_server


@pytest.fixture(autouse=True)
def clean(no_comet_settings: None) -> None:
    """Every test here starts without settings of Comet's."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[CometServer]:
    """A server that the client is pointed to."""
    with comet_server() as server:
        monkeypatch.setenv("COMET_URL_OVERRIDE", server.url)
        monkeypatch.setenv("COMET_API_KEY", API_KEY)
        yield server


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., TrackedRun]:
    """Return a function that makes a run in a folder with a space in its name."""

    def make(*, resumed: bool = False, identity: str = "b4_dice/3f9c1a7e") -> TrackedRun:
        folder = tmp_path / "a run"
        folder.mkdir(exist_ok=True)
        spec = folder / "spec.yaml"
        spec.write_text("name: b4_dice\n")
        return TrackedRun(
            identity=identity,
            name="b4_dice",
            folder=folder,
            parameters={"loss.name": "focal", "loss.gamma": 2.0, "seed": 42, "extends": None},
            tags=("focal", "severstal"),
            git={"commit": "3f9c1a7", "dirty": "false"},
            files=(spec,),
            resumed=resumed,
        )

    return make


@pytest.fixture
def overlay(tmp_path: Path) -> Callable[[int], Path]:
    """Return a function that draws an epoch's overlay: dark, so that a stretch would show."""

    def draw(epoch: int) -> Path:
        path = tmp_path / "a run" / "overlays" / f"epoch_{epoch}.png"
        path.parent.mkdir(exist_ok=True)
        pixels = np.random.default_rng(epoch).integers(0, 9, (16, 100, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        return path

    return draw
