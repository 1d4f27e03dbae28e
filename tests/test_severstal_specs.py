"""The winners' single model as one spec, on real strips from training to prediction."""

from pathlib import Path

import cv2
import numpy as np
import pandas
import pytest

from steelexp.__main__ import main
from steelexp.records.store import run_folders

SPEC = Path(__file__).parents[1] / "experiments" / "severstal" / "best_single.yaml"

SMALL = (
    "model.weights=none",
    "split.val=0.2",
    "split.test=0.2",
    "tiling.count=1",
    "loss_warm_up.epochs=0",
    "training.epochs=1",
    "training.batch_size=2",
    "training.overlays=0",
    "tracking={name: none}",
)
"""An epoch of one crop of each training strip."""


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("no_comet_settings")
def test_the_best_single_model_goes_from_real_strips_to_a_prediction(
    realdata: Path, tmp_path: Path
) -> None:
    sample = realdata / "severstal_sample"
    runs = tmp_path / "runs"
    arguments = [str(SPEC), f"data.root={sample}", *SMALL, "--runs", str(runs)]
    assert main(["run", *arguments]) == 0
    (folder,) = run_folders(runs)
    record = folder.finished_record()
    assert record.split["parts"]["val"] > 0
    assert {"test_post_dice_kaggle", "val_post_dice_kaggle"} <= record.metrics.keys()
    assert all(np.isfinite(value) for value in record.metrics.values())

    images = tmp_path / "images"
    images.mkdir()
    strip = cv2.imread(str(next(sample.glob("test_images/*.jpg"))), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(images / "strip.png"), strip)
    cv2.imwrite(str(images / "odd.png"), strip[:100, :150])  # no multiple of 32
    for form in ("onnx", "savedmodel", "tflite"):  # each is refused beyond a difference of 1e-4
        options = ["--format", form, "--images", str(images)]
        assert main(["export", str(folder.path), *options]) == 0
    for runtime in ("tensorflow", "onnx"):
        out = tmp_path / runtime
        options = ["--runtime", runtime, "--out", str(out)]
        assert main(["predict", str(folder.path), str(images), *options]) == 0
        assert pandas.read_csv(out / "submission.csv")["ImageId"].nunique() == 2
        assert len(pandas.read_csv(out / "head_scores.csv")) == 2
