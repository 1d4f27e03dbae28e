"""Labels go round: a run predicts, people correct, the data set grows, a run learns from it."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from steelexp.__main__ import main
from steelexp.data import rle
from steelexp.data.mask_folder.reader import mask_folder
from steelexp.data.severstal import severstal
from steelexp.data.sources import LOADERS
from steelexp.records.store import run_folders
from tests.predictors import card, pixel_onnx

CLASSES = ("1", "2", "3", "4")
SIZE = (64, 128)

pytestmark = pytest.mark.usefixtures("no_comet_settings")


def write_strips(folder: Path, numbers: range) -> None:
    folder.mkdir(parents=True)
    for number in numbers:
        image = np.random.default_rng(number).integers(70, 130, SIZE, np.uint8)
        assert cv2.imwrite(str(folder / f"{number}.png"), cv2.GaussianBlur(image, (0, 0), 1.5))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of seconds in runs/, its ten strips in line1/, three new ones in new/.

    The learning rate is so low that all scores are near 0.5, so the masks are as rugged as noise.
    """
    folder = tmp_path_factory.mktemp("place")
    write_strips(folder / "line1" / "train_images", range(10))
    write_strips(folder / "new", range(10, 13))
    rows = ["ImageId,ClassId,EncodedPixels"]
    for number in range(8):
        mask = np.zeros(SIZE, bool)
        mask[16:48, 8 * number + 16 : 8 * number + 48] = True
        rows.append(f"{number}.png,{number % 4 + 1},{rle.encode(mask)}")
    (folder / "line1" / "train.csv").write_text("\n".join(rows) + "\n")
    spec = {
        "name": "tiny",
        "data": {"source": "severstal", "root": str(folder / "line1"), "cache": "none"},
        "split": {"kind": "random", "val": 0.4, "seed": 3},
        "tiling": {"kind": "columns", "size": 64, "count": 1},
        "model": {
            "architecture": "unet",
            "backbone": "mobilenet",
            "weights": "none",
            "decoder_filters": [8, 8, 8, 8, 8],
        },
        "loss": {"name": "bce_dice"},
        "optimizer": {"name": "adam", "learning_rate": 1e-6},
        "training": {"epochs": 1, "batch_size": 3, "overlays": 0},
        "tracking": {"name": "none"},
        "seed": 1,
    }
    (folder / "tiny.yaml").write_text(yaml.safe_dump(spec))
    assert main(["run", str(folder / "tiny.yaml"), "--runs", str(folder / "runs")]) == 0
    return folder


@pytest.mark.slow
def test_every_form_comes_back_from_a_run_and_from_its_export(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run,) = run_folders(place / "runs")
    labels = [word for form in ("labelme", "coco", "mask_folder") for word in ("--labels", form)]
    other = card().model_copy(update={"weights": "a2345678f"})
    file = pixel_onnx(run.path / "exports" / "model.onnx", named=other)
    for replaced in (True, False):
        capsys.readouterr()
        assert main(["export", str(run.path), "--format", "onnx"]) == 0
        line = f"{file}: replaced the export of the weights a2345678 by one of the weights "
        assert (line in capsys.readouterr().out) == replaced
    for runtime in ("tensorflow", "onnx"):
        out = place / runtime
        command = ["predict", str(run.path), str(place / "new"), "--runtime", runtime]
        assert main([*command, "--out", str(out), *labels]) == 0
        masks = mask_folder(
            root=str(place),
            images="new",
            masks=f"{runtime}/masks",
            classes=CLASSES,
            overlaps=True,
        )
        assert all(pixels.sum() > 0 for pixels in masks.pixels)
        for form in ("labelme", "coco", "mask_folder"):
            overlaps = {"overlaps": True} if form == "mask_folder" else {}
            root = str(out / "labels" / form)
            dataset = LOADERS[form](root=root, classes=CLASSES, **overlaps)
            assert dataset.names == masks.names == ("10.png", "11.png", "12.png")
            for row in range(3):
                assert (dataset.mask(row) == masks.mask(row)).all()
                assert (dataset.image(row) == masks.image(row)).all()


@pytest.mark.slow
def test_corrected_labels_join_the_data_set(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run,) = run_folders(place / "runs")
    out = place / "prediction"
    command = ["predict", str(run.path), str(place / "new"), "--out", str(out)]
    assert main([*command, "--labels", "labelme"]) == 0
    labels = out / "labels" / "labelme"
    assert f"data add {labels} --to ROOT" in capsys.readouterr().out
    for name in ("10", "11"):
        file = labels / "images" / f"{name}.json"
        content = json.loads(file.read_text())
        points = [[8, 4], [23, 4], [23, 19], [8, 19]]
        content["shapes"] = [{"label": "2", "points": points, "shape_type": "polygon"}]
        file.write_text(json.dumps(content))
    assert main(["data", "add", str(labels), "--to", str(place / "line1")]) == 0
    grown = severstal(root=str(place / "line1"))
    assert len(grown) == 13
    wanted = np.zeros(SIZE, np.uint8)
    wanted[4:20, 8:24] = 2
    for name in ("10.png", "11.png"):
        assert (grown.mask(grown.names.index(name)) == wanted).all()
    capsys.readouterr()
    assert main(["evaluate", str(run.path), "--data", str(place / "line1")]) == 0
    # Known by content, although the data set has grown since the run.
    leak = "Leak: 6 of 13 images have a near-duplicate in the run's training images and 4 in its"
    assert leak in capsys.readouterr().out
    assert main(["run", str(place / "tiny.yaml"), "--runs", str(place / "runs")]) == 0
    assert len(list(run_folders(place / "runs"))) == 2
