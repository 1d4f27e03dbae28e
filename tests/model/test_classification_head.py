"""Label, loss and pooling of a classification head, worked by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelexp.lazy import keras, tf
from steelexp.model.classification_head import HEADS, labels_of, linear, pool_cells


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def cells_of(*rows):
    """Cells of one image and one class, [1, h, w, 1]."""
    return tf.constant(rows, tf.float32)[None, ..., None]


def pooled(cells, pooling, window=None):
    return float(pool_cells(cells, pooling, window)[0, 0])


# --- pooling


def test_the_mean_is_of_all_cells():
    assert pooled(cells_of([1, 2, 3], [4, 5, 9]), "mean", (1, 1)) == pytest.approx(4.0)


def test_the_window_maximum_is_the_largest_mean_of_a_window_at_any_place():
    cells = cells_of([0, 0, 3, 1, 0], [0, 0, 4, 2, 0])
    assert pooled(cells, "window_maximum", (1, 1)) == pytest.approx(4.0)
    assert pooled(cells, "window_maximum", (2, 2)) == pytest.approx(2.5)  # columns 2 and 3
    assert pooled(cells, "window_maximum", (2, 3)) == pytest.approx(10 / 6)
    assert pooled(cells, "window_maximum", (2, 5)) == pytest.approx(1.0)


def test_the_window_maximum_of_a_tile_is_its_mean():
    cells = tf.random.stateless_normal([3, 2, 4, 5], seed=[1, 2])
    for window in ((2, 4), None):
        np.testing.assert_allclose(
            pool_cells(cells, "window_maximum", window),
            pool_cells(cells, "mean", window),
            rtol=1e-5,
        )


def test_an_image_smaller_than_a_window_has_the_mean_of_its_cells():
    assert pooled(cells_of([1, 2, 6]), "window_maximum", (2, 4)) == pytest.approx(3.0)
    assert pooled(cells_of([-1, -2, -6]), "window_maximum", (1, 4)) == pytest.approx(-3.0)
    assert pooled(cells_of([0, 0, 3, 1]), "window_maximum", (2, 2)) == pytest.approx(2.0)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4), st.integers(1, 6), st.integers(0, 2**31 - 1))
def test_a_turned_image_has_the_same_score(height, width, seed):
    cells = tf.random.stateless_normal([1, height, width, 1], seed=[seed, 0])
    for turned in (cells[:, ::-1], cells[:, :, ::-1]):
        assert pooled(turned, "window_maximum", (3, 4)) == pytest.approx(
            pooled(cells, "window_maximum", (3, 4)), abs=1e-5
        )


def test_log_sum_exp_by_hand():
    wanted = math.log((math.exp(5 * 1.0) + math.exp(5 * 2.0)) / 2) / 5
    assert pooled(cells_of([1, 2]), "log_sum_exp") == pytest.approx(wanted, rel=1e-6)
    assert pooled(cells_of([3, 3], [3, 3]), "log_sum_exp") == pytest.approx(3.0)
    assert pooled(cells_of([0, 500]), "log_sum_exp") == pytest.approx(500 - math.log(2) / 5)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.integers(1, 7), st.integers(0, 2**31 - 1))
def test_poolings_are_between_mean_and_maximum(height, width, seed):
    cells = tf.random.stateless_normal([1, height, width, 1], seed=[seed, 0])
    mean, largest = pooled(cells, "mean"), float(tf.reduce_max(cells))
    assert mean - 1e-5 <= pooled(cells, "log_sum_exp") <= largest + 1e-5
    window = (min(height, 2), min(width, 3))
    assert mean - 1e-5 <= pooled(cells, "window_maximum", (height, width)) <= largest + 1e-5
    assert pooled(cells, "window_maximum", window) <= largest + 1e-5


def test_a_small_defect_is_diluted_by_the_mean_alone():
    """One of 50 tiles of an image says yes, all others no."""
    logits = np.full((1, 8, 50, 1), -4.0, np.float32)
    logits[:, :, 20:28] = 4.0
    cells = tf.constant(logits)
    assert pooled(cells, "window_maximum", (8, 8)) == pytest.approx(4.0)
    assert pooled(cells, "mean", (8, 8)) < -2
    assert pooled(cells, "log_sum_exp", (8, 8)) > 3


# --- labels


def test_labels_by_hand():
    y = np.zeros((1, 2, 3, 3), np.float32)
    y[0, 0, :, 1] = 1  # three pixels of the second class
    y[0, 0, 0, 2] = 1  # one of the third
    holds, known = labels_of(tf.constant(y), None, 1)
    assert holds.numpy().tolist() == [[0, 1, 1]]
    assert known.numpy().all()
    holds, known = labels_of(tf.constant(y), None, 2)
    assert holds.numpy().tolist() == [[0, 1, 0]]
    assert known.numpy().tolist() == [[True, True, False]]  # one pixel of two is no answer


def test_a_tile_of_which_more_than_half_is_ignored_has_no_label():
    y = np.zeros((4, 2, 2, 1), np.float32)
    y[3, 0, 0] = 1  # what it shows of a class is certain
    valid = np.zeros((4, 4), np.float32)
    valid[1, 2] = valid[2, 1:3] = valid[3, 0] = 1
    holds, known = labels_of(tf.constant(y), tf.constant(valid.reshape(4, 2, 2, 1)), 1)
    assert holds.numpy().tolist() == [[0], [0], [0], [1]]
    assert known.numpy().tolist() == [[False], [False], [True], [True]]


# --- loss


def test_the_loss_is_the_weighted_mean_over_classes():
    y = np.zeros((2, 1, 1, 2), np.float32)
    y[0, 0, 0, 0] = 1
    logits = tf.constant([[2.0, -1.0], [0.0, 3.0]])
    head = linear(2, None, weight=0.5)
    first = (-math.log(sigmoid(2.0)) - math.log(1 - sigmoid(-1.0))) / 2
    second = (-math.log(0.5) - math.log(1 - sigmoid(3.0))) / 2
    assert head.loss(tf.constant(y), logits).numpy() == pytest.approx([0.5 * first, 0.5 * second])


def test_the_focal_loss_by_hand():
    y = tf.reshape([1.0, 0.0], [2, 1, 1, 1])
    head = linear(1, None, loss="focal", weight=1.0)
    p = sigmoid(1.5)
    wanted = [-((1 - p) ** 2) * math.log(p), -(p**2) * math.log(1 - p)]
    assert head.loss(y, tf.constant([[1.5], [1.5]])).numpy() == pytest.approx(wanted, rel=1e-5)


def test_classes_without_a_label_cost_nothing_and_get_no_gradient():
    y = np.zeros((1, 2, 2, 2), np.float32)
    y[0, 0, 0, 0] = 1  # one pixel, and two are asked for
    logits = tf.Variable([[5.0, -1.0]])
    head = linear(2, None, weight=1.0, min_pixels=2)
    with tf.GradientTape() as tape:
        loss = head.loss(tf.constant(y), logits)
    assert loss.numpy() == pytest.approx([-math.log(1 - sigmoid(-1.0))])
    assert tape.gradient(loss, logits).numpy()[0] == pytest.approx([0.0, sigmoid(-1.0)])
    ignored = head.loss(tf.zeros([1, 2, 2, 2]), logits, valid=tf.zeros([1, 2, 2, 1]))
    assert ignored.numpy() == [0.0]


def test_the_gradient_at_a_logit_of_zero_is_right():
    for kind, wanted in (("bce", -0.5), ("focal", None)):
        logits = tf.Variable([[0.0]])
        with tf.GradientTape() as tape:
            loss = linear(1, None, weight=1.0, loss=kind).loss(tf.ones([1, 1, 1, 1]), logits)
        gradient = float(tape.gradient(loss, logits)[0, 0])
        if wanted is None:  # d/dx of -(1-p)^2 log p
            wanted = -(0.5**3) - 2 * 0.5**2 * 0.5 * math.log(2)
        assert gradient == pytest.approx(wanted, rel=1e-5)


# --- the layer


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("pooling", ["mean", "window_maximum", "log_sum_exp"])
def test_image_logits_are_float32_at_any_size(policy, pooling):
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(policy)
    try:
        end = keras.Input((None, None, 6))
        model = keras.Model(end, linear(3, (64, 100), pooling=pooling).attach(end, 32))
    finally:
        keras.mixed_precision.set_global_policy(before)
    for size in ((2, 4), (1, 1), (5, 9)):
        features = tf.random.stateless_normal([2, *size, 6], seed=[4, 5])
        logits = model(tf.cast(features, tf.bfloat16 if policy != "float32" else tf.float32))
        assert logits.shape == (2, 3)
        assert logits.dtype == tf.float32
    kernel, bias = model.get_weights()
    assert (kernel.shape, bias.shape) == ((1, 1, 6, 3), (3,))
    features = features[:, :2, :4]  # a tile of 64 x 100 in cells of 32, rounded up
    if pooling != "log_sum_exp" and policy == "float32":
        wanted = features.numpy().mean(axis=(1, 2)) @ kernel[0, 0] + bias
        np.testing.assert_allclose(model(features), wanted, rtol=1e-4, atol=1e-6)


def test_there_is_no_head_by_default():
    assert HEADS["none"](4, (256, 256)) is None
