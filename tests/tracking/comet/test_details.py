"""What a run was reaches the server: code, packages, console, page, plots, scores, machine."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from steelexp.tracking.attachments import PARTS
from steelexp.tracking.delivery import sync
from steelexp.tracking.journal import read_events
from tests.comet_expectations import DETAILS, assert_details, assert_metrics, key_of
from tests.comet_server import CometServer, comet_server, point_to
from tests.tracked_run import Pace, draw_page, train

PACE = Pace(epoch=0.5)


def test_online(server: CometServer, folder: Path) -> None:
    train(folder, 2, "online", PACE, parts=PARTS)
    assert_details(server, folder)
    assert_metrics(server, key_of(folder), 1, 2)
    events = read_events(folder)
    assert [e.content["text"] for e in events if e.kind == "console"] == [
        f"epoch {number} of process {os.getpid()}\n" for number in (1, 2)
    ]
    assert sum(event.kind == "machine" for event in events) >= 2


def test_offline_then_sync_after_the_page_was_written_again(folder: Path) -> None:
    train(folder, 2, "offline", PACE, parts=PARTS)
    draw_page(folder).write_text("<p>another page</p>")
    with comet_server() as server:
        point_to(server, os.environ)
        for _ in range(2):
            assert sync(folder)[0]
            assert_details(server, folder)


@pytest.mark.slow
def test_an_archive_uploaded_by_hand(folder: Path) -> None:
    """The times of the console are the client's; all else is as online."""
    told = train(folder, 2, "auto", PACE, parts=PARTS)
    with comet_server() as server:
        point_to(server, os.environ)
        scripts = {**os.environ, "PATH": str(Path(sys.executable).parent)}
        command = shlex.split(told.split("  or: ")[1])
        subprocess.run(command, env=scripts, check=True, capture_output=True)
        key = key_of(folder)
        lines = [line for line, _ in server.console(key)]
        assert lines == [f"epoch {number} of process {os.getpid()}\n" for number in (1, 2)]
        assert server.git(key)[0]["parent"] == "3f9c1a7"
        assert server.packages(key) == [["h5py==3.16.0", "numpy==2.4.6"]]
        assert sync(folder)[0]
        assert [line for line, _ in server.console(key)] == lines
        names = [name for name, _ in server.assets(key)]
        assert [names.count(n) for n in ("source.zip", "image_scores.csv", "report.html")] == [
            1
        ] * 3


def test_nothing_of_it_where_none_is_wanted(server: CometServer, folder: Path) -> None:
    train(folder, 1, "online", parts=())
    key = key_of(folder)
    assert server.console(key) == server.packages(key) == []
    assert len(server.git(key)) == 1
    assert DETAILS.isdisjoint(name for name, _ in server.assets(key))
    assert not (folder / "tracked").exists()
