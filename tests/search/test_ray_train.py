"""Two workers of Ray Train beside one process, from the command line."""

import cv2
import numpy as np
import pytest

from steelexp.__main__ import main
from steelexp.data import rle
from steelexp.records.store import run_folders

pytestmark = pytest.mark.slow


@pytest.fixture
def spec(tmp_path):
    """Ten strips of 64 x 128, a square on eight of them; six of them train, four a step."""
    images, draw = tmp_path / "severstal" / "train_images", np.random.default_rng(0)
    images.mkdir(parents=True)
    rows = ["ImageId,ClassId,EncodedPixels"]
    for strip in range(10):
        image, mask = draw.integers(70, 130, (64, 128), np.uint8), np.zeros((64, 128), bool)
        if strip < 8:
            mask[16:48, 8 * strip + 16 : 8 * strip + 48] = True
            rows.append(f"{strip}.png,{strip % 4 + 1},{rle.encode(mask)}")
        image[mask] = 200
        cv2.imwrite(str(images / f"{strip}.png"), image)
    (tmp_path / "severstal" / "train.csv").write_text("\n".join(rows) + "\n")
    path = tmp_path / "tiny.yaml"
    path.write_text(
        f"""
        name: tiny
        data: {{source: severstal, root: {tmp_path / "severstal"}}}
        split: {{kind: random, validation: 0.4, seed: 3}}
        tiling: {{kind: columns, size: 64, count: 1}}
        model: {{architecture: unet, backbone: mobilenet, weights: none, batch_norm_momentum: 0.9,
                 decoder_filters: [8, 8, 8, 8, 8]}}
        loss: {{name: dice, over: batch}}
        optimizer: {{name: adam, learning_rate: 1.0e-5}}
        training: {{epochs: 2, batch_size: 4}}
        tracking: {{name: none}}
        seed: 1
        """
    )
    return path


@pytest.mark.timeout(1200)
def test_two_workers_train_as_one_process(spec, tmp_path):
    folders = []
    for workers in (1, 2):
        runs = tmp_path / f"runs{workers}"
        assert main(["run", str(spec), f"training.workers={workers}", "--runs", str(runs)]) == 0
        folders += run_folders(runs)
    one, two = folders
    assert two.path.name == one.path.name
    assert [epoch.epoch for epoch in two.epochs] == [1, 2]
    for name in ("loss", "val_loss"):
        expected = [epoch.metrics[name] for epoch in one.epochs]
        assert [epoch.metrics[name] for epoch in two.epochs] == pytest.approx(expected, abs=1e-4)
    assert two.record.device.startswith("2 x ")
    assert sorted(path.name for path in two.path.iterdir()) == sorted(
        path.name for path in one.path.iterdir()
    )
