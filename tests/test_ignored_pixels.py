"""Ignored pixels from the label file to the record: labels below them change nothing."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from steelexp.__main__ import main
from steelexp.data.dataset import Dataset
from steelexp.data.forms.coco import write_coco
from steelexp.records.store import run_folders
from tests.data.forms.random_sets import make_dataset

pytestmark = pytest.mark.usefixtures("no_comet_settings")

IGNORED = 0b100


def write_set(folder: Path, seed: int) -> Dataset:
    """16 images as COCO; the seed changes labels at ignored pixels only."""
    draw = np.random.default_rng(0)
    other = np.random.default_rng(seed)
    masks = []
    for number in range(16):
        mask = np.zeros((32, 64), np.uint8)
        top, left = draw.integers(0, 16, 2)
        mask[top : top + 12, left : left + 20] = 1 << number % 2
        if number % 5 == 0:
            mask[:] = 0
        mask[4:20, left + 10 : left + 30] = IGNORED | other.integers(0, 4, (16, 20))
        masks.append(mask)
    dataset = make_dataset(folder / "source", masks, has_ignore=True)
    write_coco(dataset, folder / "coco")
    return dataset


def write_spec(folder: Path, name: str) -> str:
    spec = {
        "name": name,
        "data": {
            "source": "coco",
            "root": str(folder / "coco"),
            "annotations": "annotations.json",
            "ignore": "ignore",
        },
        "split": {"kind": "random", "val": 0.4, "seed": 3},
        "tiling": {"kind": "whole"},
        "sampling": {"kind": "power"},
        "augment": {
            "flips": {},
            "shift": {"pixels": 4},
            "copy_paste": {"classes": ["a"]},
            "blackout": {},
        },
        "model": {
            "architecture": "unet",
            "backbone": "mobilenet",
            "weights": "none",
            "decoder_filters": [8, 8, 8, 8, 8],
        },
        "loss": {"name": "bce_lovasz"},
        "loss_warm_up": {"name": "topk_bce", "epochs": 1},
        "class_weights": {"kind": "inverse"},
        "optimizer": {"name": "adam"},
        "training": {"epochs": 2, "batch_size": 4, "overlays": 2},
        "tracking": {"name": "none"},
        "seed": 1,
    }
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(spec))
    return str(file)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs on two sets that differ in labels at ignored pixels only."""
    folder = tmp_path_factory.mktemp("place")
    for seed in (1, 2):
        (folder / f"{seed}").mkdir()
        write_set(folder / f"{seed}", seed)
        spec = write_spec(folder / f"{seed}", f"set{seed}")
        assert main(["run", spec, "--runs", str(folder / "runs")]) == 0
    return folder


def records(place: Path) -> dict:
    folders = {folder.path.parent.name: folder for folder in run_folders(place / "runs")}
    return {name: folder.record for name, folder in folders.items()}


def test_training_and_metrics_are_equal_to_the_last_digit(place: Path) -> None:
    first, second = (records(place)[f"set{seed}"] for seed in (1, 2))
    assert first.data != second.data
    assert first.weights == second.weights
    assert first.metrics == second.metrics


def test_other_data_with_ignored_pixels_are_evaluated(place: Path) -> None:
    (run,) = (folder for folder in run_folders(place / "runs") if "set1" in str(folder.path))
    values = []
    for seed in (1, 2):
        spec = place / f"{seed}" / f"set{seed}.yaml"
        assert main(["evaluate", str(run.path), "--data", str(spec)]) == 0
        (external,) = run.path.glob(f"evaluations/*set{seed}*/external.json")
        values.append(json.loads(external.read_text())["metrics"])
    assert values[0] == values[1]


def test_a_run_predicts_labels_for_correction(place: Path) -> None:
    (run,) = (folder for folder in run_folders(place / "runs") if "set1" in str(folder.path))
    images = place / "1" / "coco" / "images"
    command = ["predict", str(run.path), str(images), "--labels", "coco", "--no-overlays"]
    assert main([*command, "--out", str(place / "out")]) == 0
    content = json.loads(next((place / "out" / "labels" / "coco").rglob("*.json")).read_text())
    assert [each["name"] for each in content["categories"]] == ["a", "b"]


def test_the_doctor_counts_the_other_pixels(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = place / "1" / "set1.yaml"
    assert main(["data", "doctor", str(spec), "--out", str(place / "doctor")]) == 0
    content = json.loads((place / "doctor" / "doctor.json").read_text())
    assert content["issues"] == []
    counted = write_set(place / "again", 1).pixels
    assert [each["pixels"] for each in content["classes"]] == counted.sum(axis=0).tolist()
