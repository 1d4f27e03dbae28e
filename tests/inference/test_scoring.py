import numpy as np
import pytest

from steelexp.data.tiling import up_to_32
from steelexp.inference import scoring
from steelexp.inference.predictor import Predictor
from steelexp.inference.scoring import ScoredImage, build_scorer, score_images
from steelexp.inference.windows import published_windows, sliding_windows
from steelexp.lazy import keras, tf
from tests.fakes import dataset_of, pixel_model
from tests.predictors import card


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    draw = np.random.default_rng(0)
    images = [draw.integers(0, 256, shape) for shape in ((40, 70), (40, 70), (33, 130))]
    masks = [image % 4 for image in images]
    return dataset_of(tmp_path_factory.mktemp("images"), images, masks, ("a", "b"))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


PIXEL = ((0.02, -2.0), (-0.01, 1.0))


def test_scores_are_those_of_the_pixels_without_padding(dataset):
    image = list(
        score_images(build_scorer(pixel_model(*PIXEL)), dataset, np.array([2, 0, 1]), max_pixels=1)
    )
    assert [each.row for each in image] == [2, 0, 1]
    for each in image:
        grey = dataset.image(each.row)
        wanted = np.stack([sigmoid(a * grey + b) for a, b in PIXEL], axis=-1)
        assert each.scores.dtype == np.float32
        np.testing.assert_allclose(each.scores, wanted, rtol=1e-5)
        assert (each.bits == dataset.mask(each.row)).all()


def test_truth_is_one_bit():
    image = ScoredImage(0, np.zeros((1, 4, 2), np.float32), np.array([[0, 1, 2, 3]], np.uint8))
    assert image.truth(0).tolist() == [[False, True, False, True]]
    assert image.truth(1).tolist() == [[False, False, True, True]]


@pytest.mark.parametrize("pixels", [1, 10**6])
def test_gaussian_windows_are_the_whole_image_for_a_model_that_sees_pixels(dataset, pixels):
    score, rows = build_scorer(pixel_model(*PIXEL)), np.arange(3)
    whole = score_images(score, dataset, rows, max_pixels=pixels)
    layout = sliding_windows((32, 64))
    parts = score_images(score, dataset, rows, max_pixels=pixels, layout=layout)
    for one, other in zip(whole, parts, strict=True):
        assert one.row == other.row
        np.testing.assert_allclose(one.scores, other.scores, rtol=1e-5)
        assert (one.bits == other.bits).all()


def test_what_the_published_tiles_do_not_show_has_no_score(tmp_path):
    dataset = dataset_of(
        tmp_path, [np.full((256, 1600), 200)], [np.zeros((256, 1600), int)], ("a",)
    )
    score = build_scorer(pixel_model((0.0, 3.0)))
    (image,) = score_images(
        score, dataset, np.array([0]), max_pixels=10**6, layout=published_windows
    )
    assert (image.scores[:, 1536:] == 0).all()
    np.testing.assert_allclose(image.scores[:, :1536], sigmoid(3.0), rtol=1e-5)


def sloping():
    """A model whose logits grow to the right and downwards, whatever it sees."""
    grey = keras.Input((None, None, 1), dtype="uint8")

    def slope(x):
        ones = tf.ones_like(tf.cast(x, tf.float32))
        return tf.repeat(0.1 * tf.cumsum(ones, 2) + 0.2 * tf.cumsum(ones, 1), 2, axis=-1)

    return keras.Model(grey, keras.layers.Lambda(slope)(grey))


def test_flips_are_flipped_back_and_averaged(dataset):
    rows = np.array([0])
    (plain,) = score_images(build_scorer(sloping()), dataset, rows, max_pixels=1)
    (flipped,) = score_images(build_scorer(sloping(), flips=True), dataset, rows, max_pixels=1)
    height, width = (up_to_32(side) for side in (40, 70))
    down, right = np.arange(1, height + 1)[:, None], np.arange(1, width + 1)
    each = [sigmoid(0.2 * y + 0.1 * x) for y in (down, down[::-1]) for x in (right, right[::-1])]
    np.testing.assert_allclose(plain.scores[..., 0], each[0][:40, :70], rtol=1e-5)
    np.testing.assert_allclose(flipped.scores[..., 0], np.mean(each, 0)[:40, :70], rtol=1e-5)


def test_the_model_is_scored_as_it_then_is(dataset):
    model = pixel_model((0.0, 0.0))
    score = build_scorer(model)
    assert score(np.zeros((1, 32, 32, 1), np.uint8)).pixels.max() == 0.5
    model.get_layer("pixel").set_weights([np.zeros((1, 1, 1, 1)), np.array([50.0])])
    assert score(np.zeros((1, 32, 32, 1), np.uint8)).pixels.min() == 1.0


def head_model():
    """Two classes: logits of a pixel as in PIXEL; image logits of the mean grey."""
    grey = keras.Input((None, None, 1), dtype="uint8")
    values = keras.layers.Lambda(lambda x: tf.cast(x, tf.float32))(grey)
    pixels = keras.layers.Lambda(lambda x: tf.concat([x / 50 - 2, 1 - x / 100], -1))(values)
    slope = keras.layers.Lambda(
        lambda x: (
            tf.reduce_mean(x, [1, 2]) * [[0.02, -0.01]]
            + tf.cast(x[:, 0, 0] > x[:, -1, -1], tf.float32)
        )  # changes with a flip
    )
    return keras.Model(grey, [pixels, slope(values)])


def test_image_scores_are_of_each_image(dataset):
    rows = np.array([2, 0])
    for each in score_images(build_scorer(head_model()), dataset, rows, max_pixels=1):
        grey = np.pad(
            dataset.image(each.row), [(0, up_to_32(n) - n) for n in each.bits.shape], mode="reflect"
        )
        first = float(grey[0, 0] > grey[-1, -1])
        wanted = [sigmoid(slope * grey.mean() + first) for slope in (0.02, -0.01)]
        assert each.image_scores == pytest.approx(wanted, rel=1e-4)


def test_image_scores_of_flips_are_their_mean(dataset):
    (plain,) = score_images(build_scorer(head_model()), dataset, np.array([0]), max_pixels=1)
    scorer = build_scorer(head_model(), flips=True)
    (flipped,) = score_images(scorer, dataset, np.array([0]), max_pixels=1)
    grey = np.pad(
        dataset.image(0), [(0, up_to_32(n) - n) for n in plain.bits.shape], mode="reflect"
    ).astype(float)
    turned = (grey, grey[::-1], grey[:, ::-1], grey[::-1, ::-1])
    first = [float(each[0, 0] > each[-1, -1]) for each in turned]
    assert len(set(first)) == 2
    wanted = [np.mean([sigmoid(s * grey.mean() + f) for f in first]) for s in (0.02, -0.01)]
    assert flipped.image_scores == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("pixels", [1, 10**6])
def test_the_image_score_of_windows_is_the_largest(tmp_path, pixels):
    image = np.full((32, 128), 20)
    image[:, 96:] = 220
    dataset = dataset_of(tmp_path, [image], [image * 0], ("a", "b"))
    (scored,) = score_images(
        build_scorer(head_model()),
        dataset,
        np.array([0]),
        max_pixels=pixels,
        layout=sliding_windows((32, 32)),
    )
    assert scored.image_scores == pytest.approx([sigmoid(4.4), sigmoid(-0.2)], rel=1e-4)


def test_windows_and_flips_together(tmp_path):
    """A flip within each window, then the largest of the windows' means."""
    image = np.tile(np.arange(64, dtype=np.uint8), (32, 1))  # grows to the right
    dataset = dataset_of(tmp_path, [image], [image * 0], ("a", "b"))
    (scored,) = score_images(
        build_scorer(head_model(), flips=True),
        dataset,
        np.array([0]),
        max_pixels=1,
        layout=sliding_windows((32, 32)),
    )
    mean = image[:, 32:].mean()  # of the window at the right; the first class takes the largest
    wanted = (sigmoid(0.02 * mean) + sigmoid(0.02 * mean + 1)) / 2
    assert scored.image_scores[0] == pytest.approx(wanted, rel=1e-4)
    first = image[:, :32].mean()
    wanted = (sigmoid(-0.01 * first) + sigmoid(-0.01 * first + 1)) / 2
    assert scored.image_scores[1] == pytest.approx(wanted, rel=1e-4)


def test_a_large_image_is_evaluated_as_predict_scores_it(tmp_path, monkeypatch):
    monkeypatch.setattr(scoring, "LARGEST_AREA", 64 * 64)
    monkeypatch.setattr(scoring, "WINDOW", (64, 64))
    draw = np.random.default_rng(0)
    sizes = ((64, 64), (96, 130), (96, 130), (65, 64))
    images = [np.sort(draw.integers(0, 256, size), axis=1) for size in sizes]
    dataset = dataset_of(tmp_path, images, [image % 2 for image in images], ("a", "b"))
    score = build_scorer(head_model())
    predictor = Predictor(card(), "stored", score)
    scored = list(score_images(score, dataset, np.arange(4), max_pixels=10**6))
    assert [each.row for each in scored] == [0, 1, 2, 3]
    for each in scored:
        predicted = predictor.scores(dataset.image(each.row))
        np.testing.assert_allclose(each.scores, predicted.pixels, atol=1e-6)
        np.testing.assert_allclose(each.image_scores, predicted.image, atol=1e-6)
        assert (each.bits == dataset.mask(each.row)).all()
    whole = sigmoid(0.02 * dataset.image(1).mean())
    assert scored[1].image_scores[0] > whole + 0.01  # its best window


def test_an_image_logit_that_is_no_number_makes_the_scores_nan():
    grey = keras.Input((None, None, 1), dtype="uint8")
    pixels = keras.layers.Lambda(lambda x: tf.zeros_like(tf.cast(x, tf.float32)))(grey)
    image = keras.layers.Lambda(lambda x: tf.cast(x[:, 0, 0], tf.float32) * 1e30)(grey)
    score = build_scorer(keras.Model(grey, [pixels, image]))
    batch = np.zeros((2, 32, 32, 1), np.uint8)
    batch[1, 0, 0] = 1
    scores = score(batch).pixels
    assert (scores[0] == 0.5).all()
    assert np.isnan(scores[1]).all()
