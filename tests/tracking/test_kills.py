"""Runs killed at random moments, by a server that forgets at random what it took."""

import time
from pathlib import Path

import numpy as np
import pytest

from steelexp.tracking.delivery import sync
from tests.comet_expectations import assert_all_arrived, in_a_process, kill
from tests.comet_server import API_KEY, Request, comet_server
from tests.tracked_run import Pace, train

EPOCHS = 3
PACE = Pace(epoch=0.6, checkpoint=0.2)
LONGEST = 8.0  # seconds; undisturbed it takes about 6


def forgetful(draw: np.random.Generator) -> object:
    """A server that answers one request in twelve with a broken line, having taken it."""

    def forgets(request: Request) -> bool:
        return bool(request.key and draw.random() < 1 / 12)

    return forgets


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(32))
def test_no_kill_loses_or_doubles_an_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    draw, folder = np.random.default_rng(seed), tmp_path / "a run"
    folder.mkdir()
    with comet_server() as server:
        monkeypatch.setenv("COMET_URL_OVERRIDE", server.url)
        monkeypatch.setenv("COMET_API_KEY", API_KEY)
        monkeypatch.setenv("COMET_TIMEOUT_UPLOAD", "5")
        for _ in range(draw.integers(1, 3)):
            server.forgetting = forgetful(draw) if seed % 2 else lambda _: False
            process = in_a_process(folder, EPOCHS, PACE)
            time.sleep(draw.uniform(0, LONGEST))
            kill(process)
        server.forgetting = lambda _: False
        train(folder, EPOCHS)
        for _ in range(2):
            assert sync(folder)[0]
            assert_all_arrived(server, folder, EPOCHS)
