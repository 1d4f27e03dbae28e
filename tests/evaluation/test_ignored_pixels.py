"""Ignored pixels in every metric: neither what is predicted there nor what is labelled counts."""

from dataclasses import replace

import numpy as np
import pytest

from steelexp.data.cache import cache_images
from steelexp.data.splits.split import Split
from steelexp.data.tiling import whole_image
from steelexp.evaluation.evaluator import Evaluator, InferenceSettings
from steelexp.evaluation.external import evaluate_external
from steelexp.inference.scoring import build_scorer, scored_image
from steelexp.records.store import RunFolder
from steelexp.spec.training_section import TrainingSpec
from tests.fakes import dataset_of, functions_of, pixel_model

CLASSES = ("dark", "bright")
IGNORED = 1 << len(CLASSES)
SIZE = (40, 70)
SPLIT = Split(np.array([0]), np.arange(1, 5), np.arange(5, 10))


@pytest.fixture(scope="module")
def model():
    """Predicts dark where grey <= 50 and bright where grey >= 200."""
    return pixel_model((-0.1, 5.0), (0.1, -20.0))


def ignored_areas():
    """[10, H, W] bool: rectangles, one image without, one image as a whole."""
    areas = np.zeros((10, *SIZE), bool)
    draw = np.random.default_rng(1)
    for area in areas[:-1]:
        top, left = draw.integers(0, 25), draw.integers(0, 40)
        area[top : top + 15, left : left + 30] = True
    areas[2] = False
    areas[6] = True
    return areas


def cached_set(folder, seed, has_ignore=True):
    """Ten images; the seed changes grey and labels at ignored pixels only."""
    draw = np.random.default_rng(0)
    images = [np.sort(draw.integers(0, 256, SIZE), axis=1) for _ in range(10)]
    masks = [(image < 40) * 0b01 | (image > 220) * 0b10 for image in images]
    areas = ignored_areas()
    draw = np.random.default_rng(seed)
    for area, image, mask in zip(areas, images, masks, strict=True):
        image[area] = draw.choice([0, 45, 128, 210, 255], area.sum())
        mask[area] = draw.integers(0, 4, area.sum())
    counted = [np.where(area, 0, mask) for area, mask in zip(areas, masks, strict=True)]
    pixels = np.array([[(mask >> c & 1).sum() for c in range(2)] for mask in counted], np.int64)
    if has_ignore:
        for area, mask in zip(areas, masks, strict=True):
            mask[area] |= IGNORED
    folder.mkdir()
    dataset = dataset_of(folder, images, masks, CLASSES)
    dataset = replace(dataset, pixels=pixels, has_ignore=has_ignore)
    return cache_images(dataset, "memory", folder)


def evaluated(model, dataset, folder, inference):
    settings = TrainingSpec(epochs=1, batch_size=2, overlays=2)
    groups = np.arange(10)
    evaluator = Evaluator(
        functions_of(model, has_ignore=dataset.has_ignore),
        settings,
        "dice_positive",
        dataset,
        groups,
        SPLIT,
        whole_image,
        0,
    )
    result = evaluator.result(inference)
    other = evaluate_external(
        build_scorer(model),
        dataset,
        np.arange(len(dataset)),
        groups,
        threshold=0.5,
        postprocessing=result.postprocessing,
    )
    parts = {part: np.stack(each.counts).tolist() for part, each in result.parts.items()}
    epoch = evaluator.after_epoch(1, RunFolder(folder))
    return {
        "parts": parts,
        "metrics": result.metrics,
        "rules": result.postprocessing,
        "report": result.report,
        "epoch": epoch,
        "external": (other.metrics, other.report),
    }


@pytest.mark.parametrize("kind", ["whole", "sliding"])
@pytest.mark.parametrize("tta", [False, True])
def test_an_evaluation_does_not_depend_on_what_is_below_ignored_pixels(model, tmp_path, kind, tta):
    # The model sees one pixel at a time, so its predictions change at ignored pixels only.
    inference = InferenceSettings(kind, tta)
    first, second = (
        evaluated(model, cached_set(tmp_path / f"set{seed}", seed), tmp_path / "run", inference)
        for seed in (1, 2)
    )
    for key, value in first.items():
        assert value == second[key], key
    without, without_2 = (
        evaluated(
            model, cached_set(tmp_path / f"all{seed}", seed, False), tmp_path / "run", inference
        )
        for seed in (1, 2)
    )
    for key in ("parts", "metrics", "report", "epoch", "external"):
        assert without[key] != without_2[key], key
        assert first[key] != without[key], key


def test_counts_are_those_of_the_other_pixels(model, tmp_path):
    dataset = cached_set(tmp_path / "set", 3)
    found = evaluated(model, dataset, tmp_path / "run", InferenceSettings())
    valid = ~ignored_areas()
    for place, row in enumerate(SPLIT.test.tolist()):
        predicted = dataset.image(row) <= 50
        truth = dataset.mask(row) & 1 == 1
        tp, fp, fn = (np.array(part)[place, 0] for part in found["parts"]["test"])
        assert tp == (predicted & truth & valid[row]).sum()
        assert fp == (predicted & ~truth & valid[row]).sum()
        assert fn == (~predicted & truth & valid[row]).sum()
    report = found["report"]
    pixels = valid[SPLIT.test].sum()
    assert sum(report.calibration["dark"].pixels) == pixels
    assert np.sum(report.confusion.pixels) == pixels  # no pixel here has two classes
    # The image that is ignored as a whole holds no class and has no false alarm.
    assert np.array(found["parts"]["test"])[:, 1].tolist() == [[0, 0]] * 3


def test_a_scored_image_by_hand():
    scores = np.array([[[0.9, 0.2], [0.8, 0.7], [0.1, 0.6]]], np.float32)
    image = scored_image(3, scores, np.array([[0b01, 0b111, 0b100]], np.uint8), has_ignore=True)
    assert image.scores.tolist() == [[scores[0, 0].tolist(), [0, 0], [0, 0]]]
    assert image.bits.tolist() == [[1, 0, 0]]
    assert image.valid.tolist() == [[True, False, False]]
    assert image.pixels == 1
    assert scored_image(3, scores, np.array([[1, 3, 0]], np.uint8), has_ignore=False).pixels == 3
