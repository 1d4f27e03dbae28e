"""`run --dry-run` on masks of each kind, from the spec to the number of images of each class."""

import json

import numpy as np
import pytest
from PIL import Image

from steelexp.__main__ import main
from steelexp.data.mask_folder.survey import survey_mask_folder
from steelexp.plan import SpecModel
from steelexp.spec import dump, load
from tests.commands.test_data_doctor import spec_of

COLOURS = np.array([[0, 0, 0], [255, 0, 0], [0, 0, 255]], np.uint8)
SETTINGS = {
    "numbers": {"classes": ["scratch", "rust"]},
    "colours": {"values": {"scratch": [255, 0, 0], "rust": [0, 0, 255]}},
    "palette": {"values": {"scratch": 1, "rust": 2}},
    "folders": {"class_folders": True, "classes": ["scratch", "rust"], "absent": "clean"},
}


def drawn(number):
    """Class numbers of an image: the first is clean, then scratch and rust in turn."""
    numbers = np.zeros((32, 48), np.uint8)
    if number:
        numbers[4:9, 3 * number : 3 * number + 5] = 1 + number % 2
    return numbers


def save_mask(kind, masks, name, numbers):
    if kind == "folders":
        for value, folder in ((1, "scratch"), (2, "rust")):
            path = masks / folder / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            if value in numbers:
                Image.fromarray(numbers == value).save(path)
        return
    path = masks / f"{name}.{'tif' if kind == 'numbers' else 'png'}"
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(COLOURS[numbers] if kind == "colours" else numbers)
    if kind == "palette":
        picture.putpalette(COLOURS.ravel().tolist())
    picture.save(path)


@pytest.fixture(params=SETTINGS)
def spec(request, tmp_path):
    """Spec of 8 images in two folders."""
    for number in range(8):
        name = f"{'day' if number % 2 else 'night'}/{number}"
        path = tmp_path / "set" / "images" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        grey = np.random.default_rng(number).integers(0, 256, (32, 48), np.uint8)
        Image.fromarray(grey).save(path)
        save_mask(request.param, tmp_path / "set" / "masks", name, drawn(number))
    settings = {"source": "mask_folder", "root": str(tmp_path / "set"), "cache": "none"}
    return spec_of(tmp_path, settings | SETTINGS[request.param])


def test_the_plan_counts_the_images_of_each_class(spec, tmp_path, capsys):
    words = [str(spec), "split={kind: random, val: 0.25}", "--runs", str(tmp_path / "runs")]
    assert main(["run", *words, "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert "train       6 images; of class scratch:" in text
    counts = [
        [int(word.split(": ")[1]) for word in line.split("of class ")[1].split(", ")]
        for line in text.splitlines()
        if "of class" in line
    ]
    assert np.sum(counts, axis=0).tolist() == [3, 4]


def test_the_doctor_finds_nothing(spec, tmp_path):
    assert main(["data", "doctor", str(spec), "--out", str(tmp_path / "out")]) == 0
    content = json.loads((tmp_path / "out" / "doctor.json").read_text())
    assert [row["images"] for row in content["classes"]] == [3, 4]
    assert content["images"] == 8


def test_the_doctor_knows_folders_of_classes_without_a_spec(tmp_path):
    root = tmp_path / "set"
    (root / "images").mkdir(parents=True)
    for number in range(1, 4):
        grey = np.random.default_rng(number).integers(0, 256, (32, 48), np.uint8)
        Image.fromarray(grey).save(root / "images" / f"{number}.png")
        save_mask("folders", root / "masks", str(number), drawn(number))
    assert main(["data", "doctor", str(root), "--out", str(tmp_path / "out")]) == 0
    content = json.loads((tmp_path / "out" / "doctor.json").read_text())
    assert [(row["class"], row["images"]) for row in content["classes"]] == [
        ("rust", 2),
        ("scratch", 1),
    ]


def test_an_issue_of_a_class_names_the_mask_of_its_folder(tmp_path):
    root = tmp_path / "set"
    (root / "images").mkdir(parents=True)
    black = np.zeros((32, 48), np.uint8)
    black[:, 40:] = 200
    Image.fromarray(black).save(root / "images" / "1.png")
    save_mask("folders", root / "masks", "1", drawn(1))
    Image.fromarray(np.arange(48) >= np.full((32, 1), 41)).save(root / "masks/scratch/1.png")
    survey = survey_mask_folder(str(root))
    assert survey.classes == ("rust", "scratch")
    places = [survey.images[0].locate(c)[0].parent.name for c in (0, 1)]
    assert places == ["rust", "scratch"]
    assert main(["data", "doctor", str(root), "--out", str(tmp_path / "out")]) == 1
    content = json.loads((tmp_path / "out" / "doctor.json").read_text())
    assert [(issue["kind"], issue["file"]) for issue in content["issues"]] == [
        ("mask on black", str(root / "masks" / "rust" / "1.png"))
    ]


def test_the_resolved_spec_is_the_same(spec, tmp_path):
    resolved = load(spec, model=SpecModel)
    (tmp_path / "resolved.yaml").write_text(dump(resolved))
    assert load(tmp_path / "resolved.yaml", model=SpecModel) == resolved
