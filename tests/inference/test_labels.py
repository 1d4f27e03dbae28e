"""Predicted masks as labels for people to correct, and read back."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image

from steelexp.data.class_sets import from_values
from steelexp.data.forms.labelme import labelme
from steelexp.data.mask_folder.reader import mask_folder
from steelexp.data.sources import LOADERS
from steelexp.inference.image_files import image_files
from steelexp.inference.labels import FORMS
from steelexp.inference.predict import predict
from steelexp.inference.scoring import NetworkScores
from tests.predictors import pixel_predictor

RULES = {"bright": {"threshold": 0.75}, "any": {"threshold": 0.7}}


@pytest.fixture
def images(tmp_path):
    """Noise with areas of one pixel, lines, rings and holes, in folders; one is no image."""
    draw = np.random.default_rng(0)
    folder = tmp_path / "images"
    for number, size in enumerate([(40, 70), (33, 31), (64, 64), (5, 90)]):
        grey = cv2.GaussianBlur(draw.integers(0, 256, size, np.uint8), (0, 0), 0.5 + number / 3)
        grey = cv2.normalize(grey, None, 0, 255, cv2.NORM_MINMAX)
        path = folder / f"line {number % 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), grey)
    (folder / "broken.png").write_bytes(b"none")
    assert cv2.imwrite(str(folder / "clean.png"), np.full((20, 20), 128, np.uint8))
    return folder


def both(scores_of):
    """Classes "bright" and "any" of a predictor, the second the scores of the first."""
    return scores_of._replace(
        score=lambda grey: NetworkScores(scores_of.score(grey).pixels[..., [0, 0]])
    )


def run(images, out, forms=("coco", "labelme")):
    return predict(both(pixel_predictor(**RULES)), image_files([str(images)]), out, labels=forms)


def masks_of(out):
    return {
        path.relative_to(out / "masks").as_posix(): from_values(np.array(Image.open(path)), 2)
        for path in sorted((out / "masks").rglob("*.png"))
    }


@pytest.mark.parametrize("form", [form for form in FORMS if form != "mask_folder"])
def test_every_pixel_comes_back(images, tmp_path, form):
    summary = run(images, tmp_path / "out", (form,))
    assert len(summary.errors) == 1
    masks = masks_of(tmp_path / "out")
    dataset = LOADERS[form](root=str(tmp_path / "out" / "labels" / form), classes=("bright", "any"))
    assert (
        dataset.names
        == tuple(masks)
        == ("clean.png", "line 0/0.png", "line 0/2.png", "line 1/1.png", "line 1/3.png")
    )
    for row, name in enumerate(dataset.names):
        assert (dataset.mask(row) == masks[name]).all()
        assert (dataset.image(row) == cv2.imread(str(images / name), 0)).all()
    every = np.concatenate([mask.ravel() for mask in masks.values()])
    assert set(every.tolist()) == {0, 2, 3}  # bright is part of any


def test_corrected_labels_are_left_alone_until_the_prediction_changes(images, tmp_path, capsys):
    out = tmp_path / "out"
    run(images, out, ("labelme",))
    file = out / "labels" / "labelme" / "images" / "clean.json"
    content = json.loads(file.read_text())
    points = [[2, 2], [2, 8], [8, 8]]
    content["shapes"] = [{"label": "any", "points": points, "shape_type": "polygon"}]
    file.write_text(json.dumps(content))
    run(images, out)
    assert json.loads(file.read_text()) == content
    assert "labelme: left as it is, which may be corrected" in capsys.readouterr().out
    assert (out / "labels" / "coco").is_dir()
    assert cv2.imwrite(str(images / "clean.png"), np.full((20, 20), 250, np.uint8))
    run(images, out, ("labelme",))
    assert "the earlier labels are kept as" in capsys.readouterr().out
    kept = out / "labels" / "labelme.old-1" / "images" / "clean.json"
    assert json.loads(kept.read_text()) == content
    dataset = labelme(root=str(out / "labels" / "labelme"), classes=("bright", "any"))
    assert (dataset.mask(0) == 3).all()


def test_masks_of_numbers_come_back_from_one_folder(images, tmp_path):
    run(images / "line 1", tmp_path / "out", ("mask_folder",))
    root = str(tmp_path / "out" / "labels" / "mask_folder")
    dataset = mask_folder(root=root, classes=("bright", "any"), overlaps=True)
    masks = masks_of(tmp_path / "out")
    assert dataset.names == tuple(masks) == ("1.png", "3.png")
    assert all((dataset.mask(row) == masks[name]).all() for row, name in enumerate(masks))


def test_images_are_copies(images, tmp_path):
    run(images, tmp_path / "out", ("coco",))
    placed = tmp_path / "out" / "labels" / "coco" / "images" / "clean.png"
    assert placed.read_bytes() == (images / "clean.png").read_bytes()
    assert not placed.samefile(images / "clean.png")
