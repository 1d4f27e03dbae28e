"""Gradients of all losses, against the same formulas in NumPy with float64.

The formulas are those that PyTorch's losses compute. Their gradients are central differences.
Ranks (top-k, Lovasz) are constants of the gradient: `at` are the logits that they are taken from.
"""

import functools

import numpy as np
import pytest

from steelexp.lazy import tf
from steelexp.model.losses import LOSSES
from steelexp.model.pixel_losses import bce, topk_bce, weighted_bce
from tests.model.masks import row

STEP = 1e-4
SHAPE = (2, 2, 5, 2)


def sigmoid(x):
    return np.exp(-softplus(-x))


def softplus(x):
    return np.logaddexp(0, x)


def cross_entropy(y, x):
    return y * softplus(-x) + (1 - y) * softplus(x)


def bce_formula(y, x, at=None, positive_weight=1):
    return ((y * positive_weight + 1 - y) * cross_entropy(y, x)).mean((1, 2, 3))


def topk_bce_formula(y, x, at):
    ranked, costs = (cross_entropy(y, logits).reshape(len(y), -1) for logits in (at, x))
    count = -(-ranked.shape[1] // 10)
    least = np.sort(ranked)[:, -count, None]
    above, equal = ranked > least, ranked == least
    shares = above + equal * (count - above.sum(1, keepdims=True)) / equal.sum(1, keepdims=True)
    return (shares * costs).sum(1) / count


def focal_formula(y, x, at=None, defect_gamma=2, background_gamma=2, alpha=0.25):
    p_t = sigmoid(np.where(y == 1, x, -x))
    gamma = np.where(y == 1, defect_gamma, background_gamma)
    weight = np.where(y == 1, alpha, 1 - alpha)
    return (weight * (1 - p_t) ** gamma * cross_entropy(y, x)).mean((1, 2, 3))


def tversky_formula(y, x, at=None, fp=0.3, fn=0.7, smooth=1, power=1, weights=1, axes=(1, 2)):
    p = sigmoid(x)
    tp, wrong = weights * p * y, weights * (fp * p * (1 - y) + fn * (1 - p) * y)
    index = (tp.sum(axes) + smooth) / (tp.sum(axes) + wrong.sum(axes) + smooth)
    return ((1 - index) ** power).reshape(len(y), -1).mean(1)


def dice_formula(y, x, at=None):
    return tversky_formula(y, x, fp=0.5, fn=0.5, smooth=0.5)


def generalized_dice_formula(y, x, at=None):
    # Every class occurs in every tile here.
    weights = 1 / y.sum((1, 2), keepdims=True) ** 2
    weights = weights / weights.max(-1, keepdims=True)
    return tversky_formula(y, x, fp=0.5, fn=0.5, smooth=0.5, weights=weights, axes=(1, 2, 3))


def lovasz_formula(y, x, at):
    losses = np.zeros(len(y))
    for tile in range(len(y)):
        for c in range(y.shape[-1]):
            truth = y[tile, ..., c].ravel()
            ranked, errors = (1 - (2 * truth - 1) * v[tile, ..., c].ravel() for v in (at, x))
            order = np.argsort(-ranked, kind="stable")
            defects = truth[order]
            intersection = truth.sum() - defects.cumsum()
            jaccard = 1 - intersection / (truth.sum() + (1 - defects).cumsum())
            increases = np.diff(jaccard, prepend=0)
            losses[tile] += increases @ np.maximum(errors[order], 0) / y.shape[-1]
    return losses


def unified_focal_formula(y, x, at=None):
    pixels = focal_formula(y, x, defect_gamma=0, background_gamma=0.5, alpha=0.6)
    defect = tversky_formula(y, x, fp=0.4, fn=0.6, power=0.5)
    background = tversky_formula(1 - y, -x, fp=0.4, fn=0.6)
    return pixels / 2 + (defect + background) / 4


def half_of(first, second):
    return lambda y, x, at: (first(y, x, at) + second(y, x, at)) / 2


FORMULAS = {
    "bce": bce_formula,
    "weighted_bce": lambda y, x, at: bce_formula(y, x, positive_weight=2),
    "topk_bce": topk_bce_formula,
    "focal": focal_formula,
    "dice": dice_formula,
    "generalized_dice": generalized_dice_formula,
    "jaccard": lambda y, x, at: tversky_formula(y, x, fp=1, fn=1),
    "tversky": tversky_formula,
    "focal_tversky": lambda y, x, at: tversky_formula(y, x, power=3 / 4),
    "lovasz_hinge": lovasz_formula,
    "bce_dice": half_of(bce_formula, dice_formula),
    "focal_dice": half_of(focal_formula, dice_formula),
    "bce_lovasz": half_of(bce_formula, lovasz_formula),
    "unified_focal": unified_focal_formula,
}


def truth():
    """Both classes on both tiles, most pixels background."""
    y = (np.random.default_rng(1).random(SHAPE) < 0.3).astype(np.float64)
    assert (y.sum((1, 2)) > 0).all()
    return y


def random_logits(some_zeros):
    logits = np.random.default_rng(2).normal(0, 3, SHAPE)
    if some_zeros:
        logits[:, :, ::2] = 0
    return logits


LOGITS = {
    "all 0": np.zeros(SHAPE),
    "some 0": random_logits(some_zeros=True),
    "random": random_logits(some_zeros=False),
    "right": (2 * truth() - 1) * 50,
    "wrong": (1 - 2 * truth()) * 50,
}


def gradient(loss, y, x):
    logits = tf.constant(x, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        values = loss(tf.constant(y, tf.float32), logits)
    return values.numpy(), tape.gradient(values, logits).numpy()


def differences(formula, y, x):
    """Central differences of the sum over the tiles, in float64."""
    slopes = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[place] = STEP
        slopes[place] = (formula(y, x + step, x) - formula(y, x - step, x)).sum() / (2 * STEP)
    return slopes


def test_every_loss_has_a_formula():
    assert set(FORMULAS) == set(LOSSES)


@pytest.mark.parametrize("kind", LOGITS)
@pytest.mark.parametrize("name", LOSSES)
def test_gradients_agree_with_the_formula(name, kind):
    # As float32 has them: between them, ties of the formula's ranks would not be the loss's.
    y, x = truth(), LOGITS[kind].astype(np.float32).astype(np.float64)
    values, slopes = gradient(LOSSES[name], y, x)
    assert values == pytest.approx(FORMULAS[name](y, x, x), rel=1e-5, abs=1e-6)
    np.testing.assert_allclose(slopes, differences(FORMULAS[name], y, x), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", LOGITS)
def test_gradients_of_the_symmetric_hinge_agree_with_the_formula(kind):
    def formula(y, x, at):
        return (lovasz_formula(y, x, at) + lovasz_formula(1 - y, -x, -at)) / 2

    y, x = truth(), LOGITS[kind].astype(np.float32).astype(np.float64)
    values, slopes = gradient(functools.partial(LOSSES["lovasz_hinge"], symmetric=True), y, x)
    assert values == pytest.approx(formula(y, x, x), rel=1e-5, abs=1e-6)
    np.testing.assert_allclose(slopes, differences(formula, y, x), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("logit", [-50.0, -3.0, 0.0, 3.0, 50.0])
def test_the_gradient_of_bce_is_the_score_minus_the_truth(logit):
    y, x = row([1.0, 0.0]), row([logit, logit])
    score = 1 / (1 + np.exp(-logit))
    _, slopes = gradient(bce, y, x)
    assert slopes.ravel() == pytest.approx([(score - 1) / 2, score / 2], abs=1e-7)


def test_gradients_by_hand_at_logits_of_0():
    # The score is 1/2: -1/2 on a defect pixel and 1/2 on a background pixel, each over 2 pixels.
    y, x = row([1.0, 0.0]), row([0.0, 0.0])
    assert gradient(bce, y, x)[1].ravel().tolist() == [-0.25, 0.25]
    weighted = gradient(lambda y, x: weighted_bce(y, x, positive_weights=(3.0,)), y, x)[1]
    assert weighted.ravel().tolist() == [-0.75, 0.25]
    # Of two equally hard pixels each has half of the one place.
    hardest = gradient(lambda y, x: topk_bce(y, x, share=0.5), y, x)[1]
    assert hardest.ravel().tolist() == [-0.25, 0.25]
