import numpy as np
import pytest

from steelexp.data.splits.split import Split
from steelexp.data.tiling import whole_image
from steelexp.evaluation.evaluator import Evaluator
from steelexp.evaluation.external import evaluate_external
from steelexp.inference.scoring import build_scorer
from steelexp.spec.training_section import TrainingSpec
from tests.fakes import dataset_of, functions_of, pixel_model

CLASSES = ("dark", "bright")


@pytest.fixture(scope="module")
def model():
    """Predicts dark where grey <= 50 and bright where grey >= 200."""
    return pixel_model((-0.1, 5.0), (0.1, -20.0))


def images_of(sizes, seed):
    draw = np.random.default_rng(seed)
    images = [np.sort(draw.integers(0, 256, size), axis=1) for size in sizes]
    return images, [(image < 40) * 0b01 | (image > 220) * 0b10 for image in images]


def test_the_test_images_alone_give_what_the_run_reports_on_them(model, tmp_path):
    images, masks = images_of([(40, 70)] * 8, 0)
    whole = dataset_of(tmp_path, images, masks, CLASSES)
    split = Split(np.array([0]), np.array([1, 2]), np.arange(3, 8))
    settings = TrainingSpec(epochs=1, batch_size=2)
    run = Evaluator(
        functions_of(model),
        settings,
        "dice_kaggle",
        whole,
        np.arange(8),
        split,
        whole_image,
        0,
    ).result()
    assert run.postprocessing is not None
    (tmp_path / "other").mkdir()
    other = dataset_of(tmp_path / "other", images[3:], masks[3:], CLASSES)
    result = evaluate_external(
        build_scorer(model),
        other,
        np.arange(5),
        np.arange(5),
        threshold=0.5,
        postprocessing=run.postprocessing,
    )
    assert set(result.parts) == {"test", "test_post"}
    for part, each in result.parts.items():
        assert each.rows.tolist() == [0, 1, 2, 3, 4]
        for ours, theirs in zip(each.counts, run.parts[part].counts, strict=True):
            assert (ours == theirs).all()
    on_tiles = {"test_loss", "test_dice_batch"}
    of_test = {k: v for k, v in run.metrics.items() if k.startswith("test_")}
    assert result.metrics == {k: v for k, v in of_test.items() if k not in on_tiles}
    assert result.report == run.report


def test_images_of_any_size_are_counted_whole_and_without_rules_at_the_threshold(model, tmp_path):
    images, masks = images_of([(33, 65), (200, 31), (7, 9)], 1)
    dataset = dataset_of(tmp_path, images, masks, CLASSES)
    result = evaluate_external(
        build_scorer(model),
        dataset,
        np.arange(3),
        np.array([0, 1, 1]),
        threshold=0.5,
        postprocessing=None,
    )
    assert set(result.parts) == {"test"}
    counts = result.parts["test"].counts
    for row, image in enumerate(images):
        dark = masks[row] & 1 == 1
        assert counts.tp[row, 0] == (dark & (image <= 50)).sum()
        assert counts.fp[row, 0] == (~dark & (image <= 50)).sum()
    assert result.report.masks == "threshold"
    assert "2 groups" in result.report.no_interval["dice_kaggle"]
