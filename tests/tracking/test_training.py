"""Trainings by the command line against a hostile server: they write their record and end."""

import sys
import time
from pathlib import Path

import pytest

from steelexp.__main__ import main
from steelexp.records.store import RunFolder, run_folders
from steelexp.tracking import delivery, journaled
from steelexp.tracking.delivery import KILL_SECONDS, SPARE_SECONDS
from tests import hostile_answers
from tests.comet_server import CometServer
from tests.tracking.test_obstacles import REAL_BEGIN_SENDING, script

QUICKSTART = Path(__file__).parents[2] / "experiments" / "quickstart.yaml"
TINY = ("data.strips=16", "data.root=data", "training.epochs=2", "tracking={name: comet}")
FINISH = 2.0

PAGE_SECONDS = 5.0
"""Seconds for two busy cores to write the page of the run."""


def train(runs: Path) -> tuple[RunFolder, float]:
    """Train; the run folder, and the seconds from the record to the end of the command."""
    assert main(["run", str(QUICKSTART), *TINY, "--runs", str(runs)]) == 0
    end = time.time()
    (folder,) = run_folders(runs)
    return folder, end - (folder.path / "record.json").stat().st_mtime


@pytest.fixture(autouse=True)
def real_processes(server: CometServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(delivery, "begin_sending", REAL_BEGIN_SENDING)
    monkeypatch.setattr(journaled, "FINISH_SECONDS", FINISH)


@pytest.mark.slow
@pytest.mark.parametrize("answer", ["slow_headers", "endless_body", "silence"])
def test_a_hostile_server(
    server: CometServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], answer: str
) -> None:
    server.hostile = getattr(hostile_answers, answer)
    folder, seconds = train(tmp_path / "runs")
    assert folder.record is not None
    assert seconds < FINISH + SPARE_SECONDS + KILL_SECONDS + PAGE_SECONDS
    assert "Comet: not sent (" in capsys.readouterr().out
    server.hostile = None
    assert main(["sync", str(tmp_path / "runs")]) == 0
    assert "Comet: 2 epochs, " in capsys.readouterr().out


@pytest.mark.slow
def test_a_sending_process_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hang = script(tmp_path / "hang", "trap '' TERM INT HUP PIPE\nsleep 1000")
    monkeypatch.setattr(sys, "executable", hang)
    folder, seconds = train(tmp_path / "runs")
    assert folder.record is not None
    assert seconds < FINISH + SPARE_SECONDS + KILL_SECONDS + PAGE_SECONDS
    assert "the sending process hung and was killed" in capsys.readouterr().out
