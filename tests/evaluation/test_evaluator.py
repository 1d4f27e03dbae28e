import functools
import json

import numpy as np
import pytest
from PIL import Image

from steelexp.data.dataset import DataError
from steelexp.data.splits.split import Split
from steelexp.data.tiling import columns, random_crops, whole_image
from steelexp.evaluation.evaluator import Evaluator, InferenceSettings
from steelexp.inference.postprocessing import postprocess
from steelexp.metric_names import parse_name
from steelexp.metrics import image_metrics
from steelexp.model.finiteness import NotFiniteError
from steelexp.model.losses import dice as dice_loss
from steelexp.records.store import Epoch, RunFolder
from steelexp.spec.training_section import TrainingSpec
from tests.fakes import dataset_of, functions_of, pixel_model

CLASSES = ("dark", "bright")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Five images of 40 x 70, darker to the left; where it is dark or bright, labels lag behind."""
    draw = np.random.default_rng(0)
    images = [np.sort(draw.integers(0, 256, (40, 70)), axis=1) for _ in range(5)]
    masks = [(image < 40) * 0b01 | (image > 220) * 0b10 for image in images]
    masks[2] *= 0
    return dataset_of(tmp_path_factory.mktemp("images"), images, masks, CLASSES)


@pytest.fixture(scope="module")
def model():
    """Predicts dark where grey <= 50 and bright where grey >= 200."""
    return pixel_model((-0.1, 5.0), (0.1, -20.0))


@pytest.fixture
def evaluator(dataset, model):
    """A function from settings to an evaluate that tunes on images 4, 2 and 1."""

    def build(
        tiling=whole_image,
        seed=0,
        rows=(4, 2, 1),
        tested=(),
        metric="dice_kaggle",
        functions=None,
        source="the network",
        **settings,
    ):
        training = TrainingSpec(**{"epochs": 1, "batch_size": 2, "overlays": 2, **settings})
        split = Split(np.array([0]), np.array(rows), np.array(tested, np.int64))
        functions = functions or functions_of(model, threshold=training.threshold)
        return Evaluator(
            functions, training, metric, dataset, np.arange(5), split, tiling, seed, source
        )

    return build


def test_evaluates_the_given_images_whole(evaluator, dataset):
    result = evaluator(tiling=functools.partial(columns, size=32, count=1)).result()
    rows, counts = result.parts["val"]
    assert rows.tolist() == [4, 2, 1]
    for i, row in enumerate((4, 2, 1)):
        image, dark = dataset.image(row), dataset.mask(row) & 1 == 1
        assert counts.tp[i, 0] == (dark & (image <= 50)).sum()
        assert counts.fp[i, 0] == (~dark & (image <= 50)).sum()
        assert counts.fn[i, 0] == (dark & (image > 50)).sum()
    assert (counts.tp > 0).tolist() == [[True, True], [False, False], [True, True]]


def test_test_images_are_evaluated_at_the_end_only(evaluator, tmp_path):
    evaluates = evaluator(rows=(4, 2), tested=(1, 3))
    result = evaluates.result()
    rows = {part: each.rows.tolist() for part, each in result.parts.items()}
    assert rows == {
        "val": [4, 2],
        "val_post": [4, 2],
        "test": [1, 3],
        "test_post": [1, 3],
    }
    for part, (_, counts) in result.parts.items():
        assert counts.tp.shape == (2, 2)
        values = image_metrics(counts, CLASSES, part)
        assert {name: result.metrics[name] for name in values} == values
    of_test = evaluator(rows=(1, 3)).result().metrics
    for name in ("loss", "dice_batch"):
        assert result.metrics[f"test_{name}"] == of_test[f"val_{name}"]
    after = evaluates.after_epoch(1, RunFolder(tmp_path))
    assert after == {k: v for k, v in result.metrics.items() if parse_name(k).part == "val"}
    assert set(evaluates.overlay_rows) <= {4, 2}


def test_the_postprocessing_is_tuned_on_the_val_images_and_used_on_the_test_images(
    evaluator, dataset
):
    # Class dark is labelled where grey < 40 and scored 5 - grey / 10: 0.73 at grey 40. Class
    # bright is labelled where grey > 220 and scored grey / 10 - 20: 0.88 at 220.
    result = evaluator(rows=(4, 0), tested=(1, 3)).result()
    assert (result.postprocessing.metric, result.postprocessing.part) == ("dice_kaggle", "val")
    dark, bright = (result.postprocessing.classes[name].threshold for name in CLASSES)
    assert 0.72 <= dark <= 0.75
    assert 0.88 <= bright <= 0.89
    post, half = (result.metrics[f"{part}_dice_kaggle"] for part in ("test_post", "test"))
    assert post > 0.99 > half
    counts = result.parts["test_post"].counts
    masks = postprocess(scores_of(dataset.image(1)), list(result.postprocessing.classes.values()))
    for c in range(2):
        truth = dataset.mask(1) >> c & 1 == 1
        assert counts.tp[0, c] == (masks[..., c] & truth).sum()
        assert counts.fp[0, c] == (masks[..., c] & ~truth).sum()


def scores_of(image):
    """What the model says of an image: [H, W, 2]."""
    grey = image.astype(np.float32)
    logits = np.stack([np.float32(5) - grey / 10, grey / 10 - np.float32(20)], axis=-1)
    return (1 / (1 + np.exp(-logits))).astype(np.float32)


def test_no_test_image_has_a_say_in_the_postprocessing(evaluator, dataset):
    one, other = (evaluator(rows=(4, 2), tested=tested).result() for tested in ((1,), (0, 3)))
    assert one.postprocessing == other.postprocessing
    assert evaluator(rows=(1, 3), tested=(4,)).result().postprocessing != one.postprocessing


def test_images_that_a_postprocessing_is_tuned_on_are_not_reported(evaluator):
    with pytest.raises(ValueError, match="tuned on 2 of the images that it is reported on"):
        evaluator(rows=(4, 2, 1), tested=(1, 4))


def test_without_test_images_nothing_is_decided(evaluator):
    result = evaluator().result()
    assert result.postprocessing is None
    assert (result.report.part, result.report.masks) == ("val", "threshold")
    assert not [name for name in result.metrics if name.startswith("test_post")]
    assert result.report.post_intervals == {}


def test_the_report_is_of_the_test_images(evaluator, dataset):
    result = evaluator(rows=(4, 2), tested=(1, 3, 0)).result()
    found = result.report
    assert (found.part, found.masks, found.classes) == ("test", "postprocessing", list(CLASSES))
    assert found.intervals == found.post_intervals == {}  # three images are too few
    assert set(found.no_interval) == {
        name.removeprefix("test_")
        for name in result.metrics
        if name.startswith("test_") and not name.startswith("test_post_")
    } - {"dice_batch", "loss"}
    assert found.no_interval["dice_kaggle"].endswith("5 are needed")
    assert found.post_no_interval["dice_kaggle"] == found.no_interval["dice_kaggle"]
    assert found.images["dark"].labelled == 3
    labelled = sum(int((dataset.mask(row) & 1).sum()) for row in (1, 3, 0))
    assert sum(found.confusion.pixels[1]) >= labelled
    total = sum(found.calibration["dark"].pixels)
    assert total == 3 * 40 * 70


def test_another_way_gives_other_scores_of_the_same_images(evaluator):
    evaluates = evaluator(rows=(4, 2), tested=(1, 3))
    usual = evaluates.result()
    # A model that sees one pixel says the same in windows and flipped.
    again = evaluates.result(InferenceSettings("sliding", tta=True))
    assert again.parts["test"].rows.tolist() == usual.parts["test"].rows.tolist()
    for name, value in usual.metrics.items():
        assert again.metrics[name] == pytest.approx(value, abs=2e-3)
    with pytest.raises(DataError, match="six tiles"):
        evaluates.result(InferenceSettings("published"))


def test_ways_have_names_and_definitions():
    assert InferenceSettings().name == "whole"
    assert InferenceSettings("sliding", tta=True).name == "sliding_tta"
    assert "mean of the scores" in InferenceSettings("published", tta=True).definition


def test_metrics_are_those_of_the_counts_and_the_tiles(evaluator):
    result = evaluator().result()
    found = image_metrics(result.parts["val"].counts, CLASSES, "val")
    assert set(result.metrics) - set(found) == {"val_loss", "val_dice_batch"}
    assert {name: result.metrics[name] for name in found} == found
    assert 0 < result.metrics["val_dice_positive/dark"] < 1


def test_obeys_the_threshold(evaluator, dataset):
    # Class dark: 5 - grey / 10 >= log(0.9 / 0.1) = 2.197 up to grey 28.
    result = evaluator(threshold=0.9, rows=(1,)).result()
    found = dataset.image(1) <= 28
    counts = result.parts["val"].counts
    assert counts.tp[0, 0] + counts.fp[0, 0] == found.sum() > 0


def test_the_batch_size_moves_dice_batch_only(evaluator):
    one, two = (evaluator(batch_size=size).result() for size in (1, 2))
    changed = {name for name, value in one.metrics.items() if two.metrics[name] != value}
    assert changed - {"val_loss"} == {"val_dice_batch"}
    assert one.metrics["val_loss"] == pytest.approx(two.metrics["val_loss"], rel=1e-6)


def test_random_tiles_are_those_of_the_seed_and_images_are_whole(evaluator):
    crops = functools.partial(random_crops, size=32, count=2)
    first, again, other = (evaluator(crops, seed=seed).result().metrics for seed in (1, 1, 2))
    assert again == first
    of_tiles = {"val_loss", "val_dice_batch"}
    assert {name for name in first if first[name] != other[name]} == of_tiles


def test_random_tiles_stay_the_same_from_epoch_to_epoch(evaluator, tmp_path):
    evaluates = evaluator(functools.partial(random_crops, size=32, count=2), seed=1)
    folder = RunFolder(tmp_path)
    assert evaluates.after_epoch(1, folder) == evaluates.after_epoch(2, folder)
    assert evaluates.result().metrics == evaluates.after_epoch(3, folder)


def test_tiles_are_validated_at_intervals_and_after_the_last_epoch(evaluator, tmp_path):
    evaluates, folder = evaluator(tile_validation_interval=3), RunFolder(tmp_path)
    every = evaluator().after_epoch(1, folder)
    on_tiles = {"val_loss", "val_dice_batch"}
    told = []

    def is_last(value):
        told.append(value)
        return len(told) == 5

    for epoch in (1, 2, 3, 4, 5):
        metrics = evaluates.after_epoch(epoch, folder, is_last)
        missing = set() if epoch in {3, 5} else on_tiles
        assert metrics == {name: value for name, value in every.items() if name not in missing}
    assert told == [every["val_dice_positive"]] * 5  # the monitor


def test_draws_the_same_images_after_every_epoch(evaluator, tmp_path):
    evaluates, folder = evaluator(overlays=2), RunFolder(tmp_path)
    for epoch in (1, 12):
        evaluates.after_epoch(epoch, folder)
        assert len(evaluates.overlay_rows) == 2
    assert set(evaluates.overlay_rows) <= {4, 2, 1}
    drawn = sorted(
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("epoch_*/*.png")
    )
    names = sorted(f"{row}.png" for row in evaluates.overlay_rows)
    epochs = ("epoch_001", "epoch_012")
    assert drawn == [f"overlays/{epoch}/{name}" for epoch in epochs for name in names]
    with Image.open(tmp_path / drawn[0]) as picture:
        assert picture.mode == "P"


def test_a_later_session_draws_the_images_of_the_one_before(evaluator, tmp_path):
    folder, before = RunFolder(tmp_path), evaluator(overlays=2)
    before.overlay_rows = (4, 1)  # not what it would choose
    before.after_epoch(1, folder)
    folder.append(Epoch(1, 5, 0.1, {}))
    after = evaluator(overlays=2)
    after.after_epoch(2, folder)
    assert set(after.overlay_rows) == {4, 1}
    assert [path.name for path in folder.overlays(2)] == ["1.png", "4.png"]


def test_images_of_one_name_in_two_folders_have_a_picture_each(
    evaluator, dataset, tmp_path, monkeypatch
):
    names = tuple(f"line{row}/a.png" for row in range(len(dataset)))
    monkeypatch.setitem(dataset.__dict__, "names", names)
    folder, before = RunFolder(tmp_path), evaluator(overlays=2)
    before.overlay_rows = (4, 1)
    before.after_epoch(1, folder)
    folder.append(Epoch(1, 5, 0.1, {}))
    pictures = [path.name for path in folder.overlays(1)]
    assert pictures == ["line1__a.png", "line4__a.png"]
    after = evaluator(overlays=2)
    after.after_epoch(2, folder)
    assert set(after.overlay_rows) == {4, 1}
    assert folder.overlays(2) == [folder.overlay(2, names[row]) for row in (1, 4)]


def test_polygons_lie_beside_each_picture(evaluator, dataset, tmp_path):
    evaluates = evaluator(overlays=1, rows=(1,))
    evaluates.after_epoch(1, RunFolder(tmp_path))
    truth, prediction = json.loads((tmp_path / "overlays" / "epoch_001" / "1.json").read_text())
    assert (truth["name"], prediction["name"]) == ("truth", "prediction")
    assert {entry["label"] for entry in truth["data"]} <= set(CLASSES)
    points = np.array(truth["data"][0]["points"][0]).reshape(-1, 2)
    label = CLASSES.index(truth["data"][0]["label"])
    assert all(dataset.mask(1)[y, x] >> label & 1 for x, y in points)
    assert all(0.5 <= entry["score"] <= 1 for entry in prediction["data"])  # the threshold is 0.5
    with Image.open(tmp_path / "overlays" / "images" / "1.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), dataset.image(1))


def test_draws_any_images_on_demand(evaluator, tmp_path):
    evaluates = evaluator(overlays=0, rows=(4,), tested=(1, 3))
    evaluates.draw([], 2, RunFolder(tmp_path))
    evaluates.draw([3, 1], 2, RunFolder(tmp_path))
    drawn = sorted(
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("epoch_*/*.png")
    )
    assert drawn == ["overlays/epoch_002/1.png", "overlays/epoch_002/3.png"]


def test_draws_what_the_model_predicts(evaluator, dataset, tmp_path):
    evaluates = evaluator(overlays=1, rows=(1,))
    evaluates.after_epoch(1, RunFolder(tmp_path))
    picture = np.asarray(Image.open(tmp_path / "overlays" / "epoch_001" / "1.png").convert("RGB"))
    factor = 720 // 70 + 1  # enlarged to be wide enough for its legend
    pixels = picture[factor // 2 :: factor, factor // 2 :: factor][:40, :70]
    coloured = np.ptp(pixels.astype(int), axis=-1) > 0
    image = dataset.image(1)
    untouched = (image > 100) & (image < 150)
    assert coloured[image < 20].all()  # predicted dark
    assert not coloured[untouched].any()


def test_draws_nothing_where_nothing_is_to_be_shown(evaluator, tmp_path):
    evaluates = evaluator(overlays=0)
    evaluates.after_epoch(1, RunFolder(tmp_path))
    assert evaluates.overlay_rows == ()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["whole", "sliding"])
def test_a_network_of_nan_is_no_clean_steel(evaluator, kind):
    """It is named with the image; of an epoch, every metric is NaN."""
    functions = functions_of(pixel_model((-0.1, np.nan), (0.1, -20.0)))
    settings = {"rows": (4, 2), "tested": (1,), "overlays": 0, "source": "best.h5"}
    evaluator = evaluator(functions=functions, **settings)
    with pytest.raises(NotFiniteError, match=r"^best\.h5: gives a score of nan on .*/4\.png, "):
        evaluator.result(InferenceSettings(kind))


@pytest.mark.parametrize("intercept", [np.nan, np.inf, 1e19])
def test_an_epoch_of_a_network_of_no_numbers_has_no_metrics(evaluator, tmp_path, intercept):
    """Also where its loss is one: Dice of the sigmoid is at most 1."""
    functions = functions_of(pixel_model((-0.1, intercept), (0.1, -20.0)), dice_loss)
    evaluator = evaluator(rows=(4, 2), overlays=0, functions=functions)
    metrics = evaluator.after_epoch(1, RunFolder(tmp_path))
    assert {"val_dice_positive", "val_loss"} <= set(metrics)
    assert all(np.isnan(value) for value in metrics.values())
