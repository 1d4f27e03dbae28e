"""What commands print about files, classes and runs whose names attack the terminal."""

import json
import shutil

import cv2
import numpy as np
import pytest

from steelexp.__main__ import main
from tests.hostile_page import hostile_runs

NAME = "\x1b]0;owned\x07[red]a\nsteelexp: ok\u202e[link=file:x]"
SHOWN = r"\x1b]0;owned\x07[red]a\nsteelexp: ok\u202e[link=file:x]"
"""Sets a title, is markup, adds a line, reorders."""


@pytest.fixture
def said(capsys):
    """Run a command: exit code and all that it printed, each line of which is printable."""

    def run(*words):
        try:
            code = main([str(word) for word in words])
        except SystemExit as end:
            code = end.code
        captured = capsys.readouterr()
        text = captured.out + captured.err
        assert [line for line in text.split("\n") if not line.isprintable()] == []
        assert not any(line.startswith("steelexp: ok") for line in text.split("\n"))
        return code, text

    return run


@pytest.fixture
def images(tmp_path):
    """A folder of masks whose folder, images and classes have such names."""
    root = tmp_path / NAME
    rng = np.random.default_rng(0)
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    for number in range(6):
        mask = np.zeros((32, 64), np.uint8)
        mask[4:20, 4 + number : 20 + number] = 1 + number % 2
        for folder, pixels in (
            ("images", rng.integers(0, 256, (32, 64), np.uint8)),
            ("masks", mask),
        ):
            _, encoded = cv2.imencode(".png", pixels)
            (root / folder / f"{NAME}{number}.png").write_bytes(encoded.tobytes())
    (root / "images" / f"{NAME}broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return root


def test_runs_and_searches(said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root, _ = hostile_runs(tmp_path)
    named = tmp_path / NAME
    shutil.copytree(root, named)
    for words in (
        ["list", named],
        ["show", named],
        ["show", named / "b4_dice" / "0"],
        ["show", named / "q" / "search"],
        ["report", named],
        ["evaluate", named],
        ["reproduce", named / "b4_dice" / "0"],
        ["export", named / "b4_dice" / "0"],
        ["sync", named],
    ):
        code, text = said(*words)
        assert code in (0, 1, 2), text
        assert text


def test_a_data_set(said, images, tmp_path, monkeypatch):
    monkeypatch.setenv("STEELEXP_CACHE", str(tmp_path / "cache"))
    classes = f"classes={json.dumps([NAME, 'b'])}"
    words = ["data", "doctor", images, "--source", "mask_folder", classes]
    code, text = said(*words)
    assert SHOWN in text
    assert code in (0, 1)
    code, text = said(
        "data",
        "convert",
        images,
        tmp_path / "out",
        "--form",
        "csv",
        "--source",
        "mask_folder",
        classes,
    )
    assert SHOWN in text


@pytest.mark.parametrize(
    "words",
    [
        ["check", f"{NAME}.yaml"],
        ["predict", NAME, NAME],
        ["predict", f"{NAME}.onnx", NAME],
        ["list", NAME],
        ["data", "doctor", NAME],
        ["data", "generate", "out", "--strips", NAME],
        [NAME],
        ["list", "x", NAME],
        ["schema", NAME],
    ],
)
def test_words_that_are_repeated(said, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    code, text = said(*words)
    assert code == 2
    assert "owned" in text


def test_a_spec(said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(json.dumps({NAME: {NAME: NAME}, "name": NAME, "loss": NAME}))
    code, text = said("check", "a.yaml")
    assert code == 2
    assert "owned" in text
