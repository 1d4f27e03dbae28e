import math

import numpy as np
import pytest

from steelexp.errors import UserError
from steelexp.lazy import keras, segmentation_models, tf
from steelexp.model.pixel_losses import bce, focal, topk_bce, weighted_bce
from tests.model.masks import CERTAIN, cross_entropy, random_batch, row, sigmoid

WEIGHTS = np.array([0.4, 1.6, 0.5, 1.5], np.float32)  # mean one


# --- cross-entropy


def test_bce_by_hand():
    # p = 3/4 at log 3: log(4/3) where y is 1, log 4 where it is 0.
    y = tf.constant([[[[1.0]], [[0.0]]], [[[1.0]], [[1.0]]]])  # [2, 2, 1, 1]
    logits = tf.fill((2, 2, 1, 1), math.log(3))
    expected = [(math.log(4 / 3) + math.log(4)) / 2, math.log(4 / 3)]
    assert bce(y, logits).numpy() == pytest.approx(expected, abs=1e-6)


def test_bce_agrees_with_numpy():
    y, logits = random_batch()
    expected = cross_entropy(y, logits).mean((1, 2, 3))
    assert bce(y, logits).numpy() == pytest.approx(expected, abs=1e-5)


def test_bce_agrees_with_segmentation_models():
    # Keras clips scores to 1e-7 from 0 and 1; float32 scores near 1 have few digits before that.
    y, logits = random_batch(spread=2.0)
    theirs = segmentation_models.losses.BinaryCELoss()
    ours = tf.reduce_mean(bce(y, logits))
    assert float(ours) == pytest.approx(float(theirs(y, tf.sigmoid(logits))), abs=1e-5)


def test_label_smoothing_by_hand():
    # p = 3/4 at a logit of log 3; s = 0.2: 0.9 for a defect and 0.1 for background.
    x = row([math.log(3), math.log(3)])
    right, wrong = -math.log(0.75), -math.log(0.25)
    expected = (0.9 * right + 0.1 * wrong + 0.9 * wrong + 0.1 * right) / 2
    loss = bce(row([1, 0]), x, label_smoothing=0.2)
    assert loss.numpy() == pytest.approx([expected], abs=1e-6)
    # With a positive weight of 2, whatever counts as a defect costs twice as much.
    twice = (2 * 0.9 * right + 0.1 * wrong + 0.9 * wrong + 2 * 0.1 * right) / 2
    loss = weighted_bce(row([1, 0]), x, positive_weights=(2.0,), label_smoothing=0.2)
    assert loss.numpy() == pytest.approx([twice], abs=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_label_smoothing_is_that_of_keras(smoothing):
    y, x = random_batch()
    theirs = keras.losses.BinaryCrossentropy(
        from_logits=True, label_smoothing=smoothing, reduction="none"
    )(y, x)
    expected = tf.reduce_mean(theirs, [1, 2]).numpy()
    assert bce(y, x, label_smoothing=smoothing).numpy() == pytest.approx(expected, abs=1e-6)


def test_weighted_bce_by_hand():
    # As above, and defects count three times.
    y, logits = row([1.0, 0.0]), row([math.log(3)] * 2)
    expected = (3 * math.log(4 / 3) + math.log(4)) / 2
    loss = weighted_bce(y, logits, positive_weights=(3.0,))
    assert loss.numpy() == pytest.approx([expected], abs=1e-6)


def test_weighted_bce_agrees_with_numpy():
    y, logits = random_batch()
    positive = np.array([2, 2, 1, 1.5])
    expected = (np.where(y == 1, positive, 1) * cross_entropy(y, logits)).mean((1, 2, 3))
    loss = weighted_bce(y, logits, positive_weights=(2.0, 2.0, 1.0, 1.5))
    assert loss.numpy() == pytest.approx(expected, abs=1e-5)


def test_weighted_bce_with_ones_is_bce():
    y, logits = random_batch()
    ones = weighted_bce(y, logits, positive_weights=(1.0, 1.0, 1.0, 1.0))
    assert ones.numpy() == pytest.approx(bce(y, logits).numpy(), abs=1e-6)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_weighted_bce_refuses_weights_of_other_classes(count):
    y, logits = random_batch()
    with pytest.raises(UserError, match=f"positive_weights: {count} weights for 4 classes"):
        weighted_bce(y, logits, positive_weights=(1.0,) * count)


# --- the hardest pixels


@pytest.mark.parametrize(
    ("share", "counted"),
    [
        (0.25, [math.log(4)]),
        (0.5, [math.log(4), math.log(2)]),
        (0.51, [math.log(4), math.log(2), math.log(4 / 3)]),  # 2.04 pixels are three
        (1.0, [math.log(4), math.log(2), math.log(4 / 3), math.log(4 / 3)]),
    ],
)
def test_topk_bce_by_hand(share, counted):
    # p = 3/4, 3/4, 1/2, 3/4: log(4/3), log 4, log 2, log(4/3).
    y, logits = row([1.0, 0.0, 0.0, 1.0]), row([math.log(3), math.log(3), 0.0, math.log(3)])
    expected = sum(counted) / len(counted)
    assert topk_bce(y, logits, share=share).numpy() == pytest.approx([expected], abs=1e-6)


@pytest.mark.parametrize("share", [0.001, 0.1, 0.33, 1.0])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_topk_bce_agrees_with_numpy(share, weights):
    y, logits = random_batch()
    losses = cross_entropy(y, logits) * (1 if weights is None else weights)
    ranked = np.sort(losses.reshape(3, -1))[:, ::-1]
    expected = ranked[:, : math.ceil(share * ranked.shape[1])].mean(1)
    assert topk_bce(y, logits, weights, share=share).numpy() == pytest.approx(expected, abs=1e-5)


def test_topk_bce_of_everything_is_bce():
    y, logits = random_batch()
    everything = topk_bce(y, logits, share=1.0).numpy()
    assert everything == pytest.approx(bce(y, logits).numpy(), abs=1e-5)


def test_topk_bce_shares_the_last_place_among_equals():
    # One place of four: pixels 0 and 1 cost log 2 each. The gradient of log(1 - p) is p = 1/2.
    y, logits = row([0.0] * 4), row([0.0, 0.0, -9.0, -9.0])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = topk_bce(y, logits, share=0.25)
    assert loss.numpy() == pytest.approx([math.log(2)], abs=1e-6)
    assert tape.gradient(loss, logits).numpy().ravel() == pytest.approx([0.25, 0.25, 0, 0])


# --- focal


def test_focal_by_hand():
    # p = 3/4. y = 1: 1/4 (1/4)^2 log(4/3). y = 0: 3/4 (3/4)^2 log 4.
    y = tf.constant([[[[1.0]], [[0.0]]]])  # [1, 2, 1, 1]
    logits = tf.fill((1, 2, 1, 1), math.log(3))
    expected = (math.log(4 / 3) / 64 + 27 / 64 * math.log(4)) / 2
    assert focal(y, logits).numpy() == pytest.approx([expected], abs=1e-6)


def test_focal_without_focus_is_half_the_cross_entropy():
    y, logits = random_batch()
    plain = focal(y, logits, gamma=0.0, alpha=0.5).numpy()
    assert plain == pytest.approx(bce(y, logits).numpy() / 2, abs=1e-6)


@pytest.mark.parametrize(("gamma", "alpha"), [(2.0, 0.25), (0.5, 0.9), (5.0, 0.0), (1.0, 1.0)])
def test_focal_agrees_with_numpy(gamma, alpha):
    y, logits = random_batch()
    p = sigmoid(logits)
    p_t, alpha_t = np.where(y == 1, p, 1 - p), np.where(y == 1, alpha, 1 - alpha)
    expected = -(alpha_t * (1 - p_t) ** gamma * np.log(p_t)).mean((1, 2, 3))
    assert focal(y, logits, gamma=gamma, alpha=alpha).numpy() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("gamma", "alpha"), [(2.0, 0.25), (3.0, 0.75)])
def test_focal_agrees_with_segmentation_models_where_it_does_not_clip(gamma, alpha):
    # Its scores are clipped to 1e-7 from 0 and 1: no logit here is beyond 16.
    y, logits = random_batch(spread=3.0)
    assert np.abs(logits).max() < 16
    theirs = segmentation_models.losses.BinaryFocalLoss(gamma=gamma, alpha=alpha)
    ours = tf.reduce_mean(focal(y, logits, gamma=gamma, alpha=alpha))
    assert float(ours) == pytest.approx(float(theirs(y, tf.sigmoid(logits))), abs=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_focal_has_a_gradient_where_a_pixel_is_certain(gamma):
    logits = tf.constant([-200.0, -CERTAIN, 0.0, CERTAIN, 200.0], shape=(1, 5, 1, 1))
    for truth in (0.0, 1.0):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = focal(tf.fill((1, 5, 1, 1), truth), logits, gamma=gamma)
        assert np.isfinite(tape.gradient(loss, logits).numpy()).all()


# --- class weights


@pytest.mark.parametrize("loss", [bce, weighted_bce, focal])
def test_class_weights_weigh_the_mean_over_classes(loss):
    y, logits = random_batch()
    each = [loss(y[..., c : c + 1], logits[..., c : c + 1]).numpy() for c in range(4)]
    expected = sum(w * value for w, value in zip(WEIGHTS, each, strict=True)) / 4
    assert loss(y, logits, WEIGHTS).numpy() == pytest.approx(expected, abs=1e-5)
