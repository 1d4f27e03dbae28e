import math

import numpy as np
import pytest

from steelexp.data.pipeline import image_batches
from steelexp.evaluation.image_counts import tile_evaluator, whole_image_counter
from steelexp.model.losses import bce
from tests.fakes import dataset_of, pixel_model

# Class 0 is predicted where grey >= 100, class 1 where grey <= 50.
LINES = ((1.0, -100.0), (-1.0, 50.0))


@pytest.fixture(scope="module")
def model():
    return pixel_model(*LINES)


@pytest.fixture(scope="module")
def evaluator(model):
    return whole_image_counter(model, 2, 0.5)


def batch(images, masks, rows=None):
    """Dataset of one size as `image_batches` batches them, without padding."""
    grey, bits = (np.array(part, np.uint8)[..., None] for part in (images, masks))
    return np.arange(len(grey)) if rows is None else np.array(rows), grey, bits


# --- whole images


def test_counts_and_masks_by_hand(evaluator):
    image = [[[100, 200, 99, 50], [51, 0, 0, 255]]]
    truth = [[[0b01, 0b10, 0b01, 0b11], [0b00, 0b10, 0b00, 0b01]]]
    prediction = evaluator([batch(image, truth)], frozenset({0}))
    assert prediction.masks[0].tolist() == [[0b01, 0b01, 0b00, 0b10], [0b00, 0b10, 0b10, 0b01]]
    assert prediction.counts.tp.tolist() == [[2, 2]]
    assert prediction.counts.fp.tolist() == [[1, 1]]
    assert prediction.counts.fn.tolist() == [[2, 1]]


def test_images_are_counted_one_by_one_in_the_order_they_come(evaluator):
    first = batch([[[200]], [[0]]], [[[0b01]], [[0b00]]], rows=[7, 3])
    second = batch([[[70, 70]]], [[[0b10, 0b11]]], rows=[5])
    prediction = evaluator([first, second], frozenset())
    assert prediction.rows.tolist() == [7, 3, 5]
    assert prediction.counts.tp.tolist() == [[1, 0], [0, 0], [0, 0]]
    assert prediction.counts.fp.tolist() == [[0, 0], [0, 1], [0, 0]]
    assert prediction.counts.fn.tolist() == [[0, 0], [0, 0], [1, 2]]
    assert prediction.counts.tp.dtype == np.int64


@pytest.mark.parametrize(
    ("threshold", "lowest"),
    [(0.5, 100), (0.9, 103), (0.1, 98)],  # log 9 is 2.197: grey - 100 >= 2.197, >= -2.197
)
def test_a_pixel_is_predicted_where_its_score_reaches_the_threshold(model, threshold, lowest):
    image = np.arange(95, 106)[None, None]
    found = whole_image_counter(model, 2, threshold)([batch(image, 0 * image)], frozenset({0}))
    predicted = found.masks[0] & 1 == 1
    assert image[0][predicted].tolist() == list(range(lowest, 106))


def test_padding_is_never_counted(evaluator, tmp_path):
    # Class 0 is predicted everywhere: in the padding too, if that were looked at.
    images = [np.full((40, 70), 200), np.full((33, 64), 200), np.full((64, 31), 200)]
    masks = [np.zeros(image.shape, np.uint8) for image in images]
    masks[0][-1, -10:] = 0b01
    dataset = dataset_of(tmp_path, images, masks, ("a", "b"))
    prediction = evaluator(image_batches(dataset, np.arange(3), max_pixels=1), frozenset({0, 1}))
    assert prediction.counts.tp.tolist() == [[10, 0], [0, 0], [0, 0]]
    assert prediction.counts.fp.tolist() == [[40 * 70 - 10, 0], [33 * 64, 0], [64 * 31, 0]]
    assert prediction.counts.fn.tolist() == [[0, 0]] * 3
    assert {row: mask.shape for row, mask in prediction.masks.items()} == {
        0: (40, 70),
        1: (33, 64),
    }


def test_predictions_are_kept_for_the_images_that_are_asked_for(evaluator):
    images = [[[200, 0]], [[0, 0]], [[70, 200]]]
    batches = [batch(images, np.zeros((3, 1, 2)), rows=[4, 8, 6])]
    kept = evaluator(batches, frozenset({6, 4, 99})).masks
    assert {row: mask.tolist() for row, mask in kept.items()} == {4: [[1, 2]], 6: [[0, 1]]}
    assert all(mask.dtype == np.uint8 for mask in kept.values())
    assert evaluator(batches).masks == {}


def test_batching_changes_nothing(evaluator, tmp_path):
    draw = np.random.default_rng(0)
    images = [draw.integers(0, 256, (32, 64)) for _ in range(5)]
    masks = [draw.integers(0, 4, (32, 64)) for _ in range(5)]
    dataset = dataset_of(tmp_path, images, masks, ("a", "b"))
    rows = np.array([3, 0, 4, 1])
    alone = evaluator(image_batches(dataset, rows, max_pixels=1), frozenset())
    together = evaluator(image_batches(dataset, rows, max_pixels=3 * 32 * 64), frozenset())
    assert together.rows.tolist() == alone.rows.tolist() == [3, 0, 4, 1]
    for ours, theirs in zip(together.counts, alone.counts, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    hit = [int(((images[row] >= 100) & (masks[row] & 1 == 1)).sum()) for row in rows]
    assert together.counts.tp[:, 0].tolist() == hit


def test_the_model_is_evaluated_as_it_then_is():
    model = pixel_model((1.0, -100.0))
    evaluator, image = whole_image_counter(model, 1, 0.5), [batch([[[150]]], [[[1]]])]
    assert evaluator(image).counts.tp.tolist() == [[1]]
    model.get_layer("pixel").set_weights([np.ones((1, 1, 1, 1)), np.array([-200.0])])
    assert evaluator(image).counts.tp.tolist() == [[0]]


@pytest.mark.parametrize(
    ("classes", "word"), [(8, np.uint8), (12, np.uint16), (16, np.uint16), (32, np.uint32)]
)
def test_a_mask_has_as_many_bits_as_there_are_classes(classes, word):
    model = pixel_model(*[(1.0, -100.0 - c) for c in range(classes)])
    evaluator = whole_image_counter(model, classes, 0.5)
    grey = np.array([[[103, 131]]], np.uint8)[..., None]
    truth = np.array([[[0, (1 << classes) - 1]]], word)[..., None]
    found = evaluator([(np.array([0]), grey, truth)], frozenset({0}))
    assert found.masks[0].dtype == word
    assert found.masks[0].tolist() == [[0b1111, (1 << classes) - 1]]
    assert found.counts.tp.tolist() == [[1] * classes]
    assert found.counts.fp.tolist() == [[1] * 4 + [0] * (classes - 4)]


# --- tiles

# At grey 0 the score is 1/2, at grey 1 it is 3/4.
TILES = [
    ([[[0, 1]], [[1, 1]]], [[[0, 1]], [[0, 0]]]),
    ([[[0, 0]]], [[[1, 1]]]),
]


def tile_batches(tiles=TILES):
    return [tuple(np.array(part, np.uint8)[..., None] for part in pair) for pair in tiles]


@pytest.fixture(scope="module")
def on_tiles():
    return tile_evaluator(pixel_model((math.log(3), 0.0)), 1, bce)


def test_dice_batch_by_hand(on_tiles):
    # First batch: sum(p y) = 3/4, sum(p) = 1/2 + 3 * 3/4, sum(y) = 1; second: 1, 1 and 2.
    expected = ((2 * 0.75 + 1) / (2.75 + 1 + 1) + (2 * 1 + 1) / (1 + 2 + 1)) / 2
    assert on_tiles(tile_batches())["dice_batch"] == pytest.approx(expected, abs=1e-6)


def test_dice_batch_flattens_the_whole_batch(on_tiles):
    # Batches of one tile: three ratios instead of two.
    (first, bits), last = tile_batches()
    singles = [(first[:1], bits[:1]), (first[1:], bits[1:]), last]
    expected = (2.5 / 3.25 + 1 / 2.5 + 3 / 4) / 3
    assert on_tiles(singles)["dice_batch"] == pytest.approx(expected, abs=1e-6)


def test_dice_batch_flattens_the_classes():
    # One pixel and two classes, both certain: the first is there, the second is a false alarm.
    evaluator = tile_evaluator(pixel_model((0.0, 50.0), (0.0, 50.0)), 2, bce)
    got = evaluator(tile_batches([([[[9]]], [[[0b01]]])]))
    assert got["dice_batch"] == pytest.approx((2 + 1) / (2 + 1 + 1), abs=1e-6)


def test_loss_is_the_mean_over_tiles_whatever_their_batches(on_tiles):
    losses = [(math.log(2) + math.log(4 / 3)) / 2, math.log(4), math.log(2)]
    assert on_tiles(tile_batches())["loss"] == pytest.approx(sum(losses) / 3, abs=1e-6)


def test_each_report_starts_anew(on_tiles):
    assert on_tiles(tile_batches()) == on_tiles(tile_batches())
