"""The suite of benchmarks goes on where it stopped."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as suite
from steelexp.__main__ import main

FOLDER = Path(suite.__file__).parent


def run(monkeypatch: pytest.MonkeyPatch, out: Path, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--out", str(out), *words])
    suite.main()


def test_every_command_is_a_file() -> None:
    names = {command.split()[0] for command in suite.COMMANDS.values()}
    assert {name for name in names if not (FOLDER / f"{name}.py").is_file()} == set()


def test_one_that_has_a_result_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "train.csv"
    table.write_text("ImageId,ClassId,EncodedPixels\na.jpg,1,1 3 1000 7\n")
    monkeypatch.setattr(suite, "COMMANDS", {"rle": "rle {out}/../train.csv"})
    out = tmp_path / "bench"
    run(monkeypatch, out)
    assert "decode: text to mask" in capsys.readouterr().out
    assert "1 rows of train.csv" in (out / "results.md").read_text()
    table.unlink()
    run(monkeypatch, out)
    assert "rle.txt is there" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="failed: rle"):
        run(monkeypatch, out, "--again", "rle")
    assert "FileNotFoundError" in (out / "rle.failed.txt").read_text()
    assert "1 rows of train.csv" in (out / "rle.txt").read_text()


def test_an_unknown_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run(monkeypatch, tmp_path, "inference")
    assert "inference: no such benchmark; --list names them" in capsys.readouterr().err


def test_work_of_predict_is_timed(tmp_path: Path) -> None:
    assert main(["data", "generate", str(tmp_path / "data"), "--strips", "4"]) == 0
    words = [str(tmp_path / "data"), "--strips", "4", "--rounds", "1"]
    printed = subprocess.run(
        [sys.executable, "-m", "benchmarks.predict_work", *words],
        cwd=FOLDER.parent,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed.count("ms of CPU a strip") == 2
