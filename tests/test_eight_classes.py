"""As many classes as a mask has bits, through a whole run: overlays, evaluation, page."""

import json

import cv2
import numpy as np
import pytest

from steelexp.__main__ import main
from steelexp.data.dataset import MOST_CLASSES

SPEC = """\
name: eight
data: {source: mask_folder, root: set, classes: [a, b, c, d, e, f, g, h]}
split: {kind: grouped, val: 0.25, test: 0.25, seed: 1}
tiling: {kind: whole}
model: {architecture: unet, backbone: mobilenet, weights: none, decoder_filters: [8, 8, 8, 8, 8]}
loss: {name: bce_dice}
optimizer: {name: adam}
training: {epochs: 1, batch_size: 8}
tracking: {name: none}
seed: 1
"""


@pytest.mark.slow
def test_a_run_of_eight_classes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STEELEXP_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (tmp_path / "set" / folder).mkdir(parents=True)
    for number in range(32):
        mask = np.zeros((32, 32), np.uint8)
        mask[8:24, 8:24] = number % MOST_CLASSES + 1
        image = rng.integers(0, 256, (32, 32), np.uint8)
        cv2.imwrite(str(tmp_path / "set" / "images" / f"{number}.png"), image)
        cv2.imwrite(str(tmp_path / "set" / "masks" / f"{number}.png"), mask)
    (tmp_path / "eight.yaml").write_text(SPEC)
    assert main(["run", "eight.yaml"]) == 0
    assert capsys.readouterr().err == ""
    (run,) = (tmp_path / "runs" / "eight").iterdir()
    assert len(list((run / "overlays").glob("*/*.png"))) == 6
    report = json.loads((run / "evaluation.json").read_text())
    assert report["confusion"]["labels"] == ["none", *"abcdefgh"]
    assert {f"test_dice_pooled/{label}" for label in "abcdefgh"} <= set(
        json.loads((run / "record.json").read_text())["metrics"]
    )
    assert "eight" in (run / "report.html").read_text()
