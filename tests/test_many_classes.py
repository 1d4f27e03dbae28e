"""More classes than a byte has bits, from the label file to the page."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from steelexp.__main__ import main
from steelexp.data.augment import AUGMENTATIONS
from steelexp.data.bits import MOST_CLASSES
from steelexp.data.cache import cache_images
from steelexp.data.dataset import DataError, Dataset
from steelexp.data.forms.coco import coco, write_coco
from steelexp.data.pipeline import training_batches
from steelexp.data.sampling import power
from steelexp.data.splits.kinds import grouped
from steelexp.data.tiling import whole_image
from steelexp.model.losses import bce_dice
from steelexp.model.optimizers import adam
from steelexp.training.fit import compile_model
from tests.data.forms.random_sets import assert_same, make_dataset
from tests.fakes import labelled, pixel_model

TWELVE = tuple("abcdefghijkl")

SPEC = """\
name: twelve
data: {source: coco, root: set, annotations: annotations.json}
split: {kind: grouped, val: 0.25, test: 0.25, seed: 1}
tiling: {kind: whole}
augment: {copy_paste: {classes: [l]}, flips: {}}
model: {architecture: unet, backbone: mobilenet, weights: none, decoder_filters: [8, 8, 8, 8, 8]}
loss: {name: bce_dice}
optimizer: {name: adam}
training: {epochs: 1, batch_size: 8}
tracking: {name: none}
seed: 1
"""


def squares(folder: Path, classes: int, count: int, has_ignore: bool = False) -> Dataset:
    """Images with a square of one class and, overlapping it, one of the next."""
    masks = []
    for number in range(count):
        mask = np.zeros((32, 32), np.uint32)
        mask[8:24, 8:24] |= np.uint32(1 << number % classes)
        mask[16:28, 16:28] |= np.uint32(1 << (number + 1) % classes)
        if has_ignore:
            mask[:4] = 1 << classes
        masks.append(mask)
    names = tuple(f"c{number}" for number in range(classes)) if classes != 12 else TWELVE
    files = [f"{number:02d}.png" for number in range(count)]
    dataset = make_dataset(folder, masks, classes=names, has_ignore=has_ignore, names=files)
    words = [mask.astype(dataset.word) for mask in masks]
    return replace(dataset, read_mask=lambda row: words[row])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of twelve classes in runs/, its data in set/."""
    folder = tmp_path_factory.mktemp("place")
    write_coco(squares(folder / "source", 12, 48), folder / "set")
    (folder / "twelve.yaml").write_text(SPEC.replace("root: set", f"root: {folder / 'set'}"))
    assert main(["run", str(folder / "twelve.yaml"), "--runs", str(folder / "runs")]) == 0
    return folder


def run_of(place: Path) -> Path:
    (run,) = (place / "runs" / "twelve").iterdir()
    return run


@pytest.mark.slow
def test_a_run_of_twelve_classes(place: Path) -> None:
    run = run_of(place)
    assert len(list((run / "overlays").glob("epoch_*/*.png"))) == 6
    report = json.loads((run / "evaluation.json").read_text())
    assert report["confusion"]["labels"] == ["none", *TWELVE]
    assert {f"test_dice_pooled/{label}" for label in TWELVE} <= set(
        json.loads((run / "record.json").read_text())["metrics"]
    )
    page = (run / "report.html").read_text()
    assert "true11" in page


@pytest.mark.slow
def test_its_network_is_evaluated_exported_and_predicts(place: Path) -> None:
    run = run_of(place)
    assert main(["evaluate", str(run), "--data", str(place / "twelve.yaml")]) == 0
    assert main(["export", str(run), "--format", "onnx"]) == 0
    for runtime in ("tensorflow", "onnx"):
        out = place / runtime
        command = ["predict", str(run), str(place / "set" / "images"), "--runtime", runtime]
        assert main([*command, "--out", str(out), "--labels", "coco"]) == 0
        values = cv2.imread(str(next((out / "masks").glob("*.png"))), cv2.IMREAD_UNCHANGED)
        assert values.shape[:2] == (32, 32)
        (file,) = (out / "labels" / "coco").glob("*.json")
        assert [each["name"] for each in json.loads(file.read_text())["categories"]] == [*TWELVE]


@pytest.mark.slow
def test_its_data_are_examined_and_converted(place: Path, capsys) -> None:
    assert main(["data", "doctor", str(place / "set"), "--out", str(place / "doctor")]) in {0, 1}
    content = json.loads((place / "doctor" / "doctor.json").read_text())
    assert "l" in json.dumps(content)
    capsys.readouterr()
    for form in ("labelme", "supervisely", "csv"):
        command = ["data", "convert", str(place / "twelve.yaml"), str(place / form)]
        assert main([*command, "--form", form]) == 0
    assert main([*command[:3], str(place / "masks"), "--form", "mask_folder"]) == 2
    assert "classes overlap; take coco" in capsys.readouterr().err


@pytest.mark.parametrize(("classes", "has_ignore"), [(12, True), (16, False), (32, False)])
@pytest.mark.parametrize("kind", ["disk", "memory", "none"])
def test_many_classes_are_read_cached_and_trained_on(classes, has_ignore, kind, tmp_path):
    source = squares(tmp_path / "source", classes, 40, has_ignore)
    written = write_coco(source, tmp_path / "set")
    settings = {key: value for key, value in written.settings.items() if key != "source"}
    settings["classes"] = tuple(settings["classes"])
    dataset = coco(root=str(tmp_path / "set"), **settings)
    assert_same(dataset, source)
    decoded = cache_images(dataset, kind, tmp_path / "cache")
    for row in range(len(source)):
        assert decoded.mask(row).dtype == source.word
        np.testing.assert_array_equal(decoded.mask(row), source.mask(row))
    augmentations = [
        lambda *args: AUGMENTATIONS["copy_paste"](*args, classes=(source.classes[-1],)),
        AUGMENTATIONS["flips"],
        lambda *args: AUGMENTATIONS["shift"](*args, pixels=4),
        AUGMENTATIONS["blackout"],
        AUGMENTATIONS["sheet_edge"],
    ]
    batches = training_batches(
        decoded,
        np.arange(40),
        whole_image,
        power,
        augmentations,
        batch_size=8,
        seed=0,
        epoch=1,
    ).tf_dataset()
    model = pixel_model(*[(0.0, 0.0)] * classes)
    optimizer = adam(learning_rate=1e-4)
    compile_model(model, loss=bce_dice, optimizer=optimizer, classes=classes, has_ignore=has_ignore)
    losses = [model.fit(batches, epochs=1, verbose=0).history["loss"][0] for _ in range(2)]
    assert losses[1] < losses[0] < 1


def test_a_set_takes_the_bytes_of_its_word(tmp_path):
    sizes = {}
    for classes in (8, 9, 17):
        dataset = squares(tmp_path / f"set{classes}", classes, 3)
        decoded = cache_images(dataset, "disk", tmp_path / "cache")
        (file,) = (each for each in (tmp_path / "cache").glob("*/bits.u*") if each.stat().st_size)
        sizes[file.name] = file.stat().st_size
        file.parent.rename(tmp_path / f"seen{classes}")
        assert decoded.mask(0).max() == 3
    assert sizes == {"bits.u8": 3 * 1024, "bits.u16": 6 * 1024, "bits.u32": 12 * 1024}


def test_images_of_many_classes_are_dealt_by_their_combinations():
    holds = np.random.default_rng(0).random((300, 32)) < 0.05
    holds[:, 31] = np.arange(300) % 2  # a table by the bits of the classes would take 10 TB
    split = grouped(labelled(holds), np.arange(300))
    assert [len(rows) for rows in split] == pytest.approx([210, 45, 45], abs=2)
    shares = [holds[rows, 31].mean() for rows in split]
    assert max(shares) - min(shares) < 0.15


def test_one_class_more_than_bits_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"has 33 classes.*at most 32 are supported"):
        squares(tmp_path, MOST_CLASSES + 1, 1)
    with pytest.raises(DataError, match=r"has 32 classes.* and ignored pixels, and at most 32"):
        replace(squares(tmp_path, 32, 1), has_ignore=True)
