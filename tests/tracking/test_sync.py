"""The command `sync`; here, where Comet's settings are clean and its processes quick."""

import os
from pathlib import Path

import pytest

from steelexp.__main__ import main
from tests.comet_expectations import assert_all_arrived, key_of
from tests.comet_server import comet_server, point_to
from tests.tracked_run import train


def test_sync_sends_every_run_below_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("runs/b4_dice/3f9c1a7e")
    folder.mkdir(parents=True)
    train(folder, 1)
    assert main(["sync"]) == 1
    said = capsys.readouterr().out
    assert (
        f"{folder}: Comet: not sent (no API key is configured); left out: data severstal-steel"
        in said
    )
    with comet_server() as server:
        point_to(server, os.environ)
        for given in ([], [str(folder)], ["runs/b4_dice"]):
            assert main(["sync", *given]) == 0
            said = capsys.readouterr().out
            assert said == (
                f"{folder}: Comet: 1 epoch, 2 pictures at http://comet/{key_of(folder)}\n"
            )
        assert_all_arrived(server, folder, 1)


def test_sync_of_nothing_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sync", str(tmp_path)]) == 2
    assert "no runs here that Comet tracks" in capsys.readouterr().err


def test_a_damaged_run_does_not_hold_up_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [tmp_path / "a" / name for name in ("1", "2", "3")]
    for folder in folders:
        folder.mkdir(parents=True)
        train(folder, 1, "offline")
    (folders[0] / "journal.jsonl").write_text("nonsense\n")
    (folders[2] / "journal.jsonl").write_text("")
    with comet_server() as server:
        point_to(server, os.environ)
        assert main(["sync", str(tmp_path)]) == 1
        first, second, third = capsys.readouterr().out.splitlines()
    assert f"{folders[0]}: not sent: {folders[0]}/journal.jsonl:1: not the next event" in first
    assert second == f"{folders[1]}: Comet: 1 epoch, 2 pictures at http://comet/" + key_of(
        folders[1]
    )
    assert f"{folders[2]}: not sent: {folders[2]}/journal.jsonl: holds no event" in third


def test_no_run_is_begun_when_the_time_is_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tmp_path, 1, "offline")
    with comet_server() as server:
        point_to(server, os.environ)
        assert main(["sync", str(tmp_path), "--minutes", "1e-9"]) == 1
        assert "Comet: not sent (no time was left); left out: data" in capsys.readouterr().out
        assert server.experiments == set()
