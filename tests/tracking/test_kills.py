"""Runs killed at random moments, by a server that forgets at random what it took."""

import os
import time
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from steelexp.tracking import delivery
from steelexp.tracking.attachments import PARTS
from steelexp.tracking.comet import client as comet_client
from steelexp.tracking.delivery import sync
from tests import forked
from tests.comet_expectations import assert_all_arrived, assert_details, in_a_process, kill
from tests.comet_server import Request, comet_server, point_to
from tests.tracked_run import Pace, train

EPOCHS = 3
PACE = Pace(epoch=0.6, checkpoint=0.2)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> float:
    """Seconds of a run that nothing kills."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with (
        comet_server() as server,
        pytest.MonkeyPatch.context() as patch,
        mock.patch.dict(os.environ),
    ):
        comet_client.load()
        point_to(server, os.environ)
        patch.setattr(delivery, "begin_sending", forked.begin_sending)
        began = time.monotonic()
        in_a_process(folder, EPOCHS, PACE, PARTS).wait()
        return time.monotonic() - began


def forgetful(draw: np.random.Generator) -> object:
    """A server that answers one request in twelve with a broken line, having taken it."""

    def forgets(request: Request) -> bool:
        return bool(request.key and draw.random() < 1 / 12)

    return forgets


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(32))
def test_no_kill_loses_or_doubles_an_event(tmp_path: Path, undisturbed: float, seed: int) -> None:
    draw, folder = np.random.default_rng(seed), tmp_path / "a run"
    folder.mkdir()
    with comet_server() as server:
        point_to(server, os.environ)
        for _ in range(draw.integers(1, 3)):
            server.forgetting = forgetful(draw) if seed % 2 else lambda _: False
            process = in_a_process(folder, EPOCHS, PACE, PARTS)
            time.sleep(draw.uniform(0, undisturbed))
            kill(process)
        server.forgetting = lambda _: False
        train(folder, EPOCHS, parts=PARTS)
        for _ in range(2):
            assert sync(folder)[0]
            assert_all_arrived(server, folder, EPOCHS)
            assert_details(server, folder)
