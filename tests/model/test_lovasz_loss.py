import itertools

import numpy as np
import pytest

from steelexp.lazy import tf
from steelexp.model.lovasz_loss import lovasz_hinge
from tests.model.masks import random_batch, row

WEIGHTS = np.array([0.4, 1.6, 0.5, 1.5], np.float32)  # mean one


def jaccard_loss(wrong, truth):
    """1 - IoU of the truth and the prediction that is wrong on the given pixels."""
    predicted = truth ^ wrong
    union = (predicted | truth).sum()
    return 1 - (predicted & truth).sum() / union if union else 0.0


def lovasz(truth, logits):
    """The hinge of one set of pixels, from the definition: the set function, pixel by pixel."""
    truth = truth.astype(bool)
    errors = 1 - np.where(truth, 1, -1) * logits.astype(np.float64)
    wrong, loss, before = np.zeros_like(truth), 0.0, 0.0
    for pixel in np.argsort(-errors):
        wrong[pixel] = True
        after = jaccard_loss(wrong, truth)
        loss += max(errors[pixel], 0) * (after - before)
        before = after
    return loss


def test_by_hand():
    # y = 1 1 0 0, errors 1 - 2 = -1, 1 + 1 = 2, 1 + 3 = 4, 1 - 2 = -1. Worst first: the false
    # pixel raises the loss from 0 to 1 - 2/3, the missed one to 1 - 1/3; the rest are right.
    loss = lovasz_hinge(row([1, 1, 0, 0]), row([2.0, -1.0, 3.0, -2.0]))
    assert loss.numpy() == pytest.approx([4 * 1 / 3 + 2 * 1 / 3], abs=1e-6)


def test_symmetric_by_hand():
    # As above; of the background 0 0 1 1, the false pixel first costs 1/2, the missed defect raises
    # the loss from 1 - 1/2 to 1 - 1/3.
    y, x = row([1, 1, 0, 0]), row([2.0, -1.0, 3.0, -2.0])
    background = 4 * 1 / 2 + 2 * 1 / 6
    assert lovasz_hinge(row([0, 0, 1, 1]), -x).numpy() == pytest.approx([background], abs=1e-6)
    loss = lovasz_hinge(y, x, symmetric=True)
    assert loss.numpy() == pytest.approx([(2 + background) / 2], abs=1e-6)


@pytest.mark.parametrize("reduce", ["tile_and_class", "batch_and_class"])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_symmetric_is_the_mean_with_the_inverted_tile(reduce, weights):
    y, x = random_batch()
    both = [
        lovasz_hinge(truth, logits, weights, reduce=reduce)
        for truth, logits in ((y, x), (1 - y, -x))
    ]
    loss = lovasz_hinge(y, x, weights, reduce=reduce, symmetric=True)
    assert loss.numpy() == pytest.approx(((both[0] + both[1]) / 2).numpy(), rel=1e-5)


def test_symmetric_sees_every_false_pixel_of_an_empty_class():
    one, all_three = row([2.0, -2.0, -2.0]), row([2.0, 2.0, 2.0])
    empty = row([0, 0, 0])
    assert lovasz_hinge(empty, one).numpy() == pytest.approx(lovasz_hinge(empty, all_three).numpy())
    costs = [lovasz_hinge(empty, x, symmetric=True).numpy()[0] for x in (one, all_three)]
    assert costs == pytest.approx([(3 + 3 * 1 / 3) / 2, (3 + 3) / 2], abs=1e-5)


@pytest.mark.parametrize("truth", [[0, 0, 0], [1, 0, 0], [1, 1, 1]])
def test_logits_of_zero_cost_one(truth):
    # Every error is 1, and the rises of all pixels add up to a Jaccard loss of 1.
    assert lovasz_hinge(row(truth), row([0.0] * 3)).numpy() == pytest.approx([1], abs=1e-6)


@pytest.mark.parametrize(("logits", "cost"), [([-3, -2, -4], 0), ([-3, 2, 1], 3), ([5, 5, 5], 6)])
def test_an_absent_class_costs_its_worst_pixel(logits, cost):
    loss = lovasz_hinge(row([0, 0, 0]), row([float(x) for x in logits]))
    assert loss.numpy() == pytest.approx([cost], abs=1e-5)


@pytest.mark.parametrize("truth", list(itertools.product([0, 1], repeat=3)))
@pytest.mark.parametrize("predicted", list(itertools.product([-1, 1], repeat=3)))
def test_at_the_margin_it_is_twice_the_jaccard_loss(truth, predicted):
    # Logits of 1 and -1: an error is 0 where right and 2 where wrong. The Lovasz extension agrees
    # with the set function on every set.
    wrong = np.array(truth, bool) ^ (np.array(predicted) > 0)
    expected = 2 * jaccard_loss(wrong, np.array(truth, bool))
    loss = lovasz_hinge(row(truth), row([float(x) for x in predicted]))
    assert loss.numpy() == pytest.approx([expected], abs=1e-5)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_agrees_with_the_definition(weights):
    y, logits = random_batch()
    factor = np.ones(4) if weights is None else weights
    pixels, scores = y.reshape(3, -1, 4), logits.reshape(3, -1, 4)
    each = [[lovasz(pixels[b, :, c], scores[b, :, c]) for c in range(4)] for b in range(3)]
    expected = (np.array(each) * factor).mean(1)
    assert lovasz_hinge(y, logits, weights).numpy() == pytest.approx(expected, abs=1e-5)
    pixels, scores = y.reshape(-1, 4), logits.reshape(-1, 4)
    each = [lovasz(pixels[:, c], scores[:, c]) for c in range(4)]
    loss = lovasz_hinge(y, logits, weights, reduce="batch_and_class").numpy()
    assert loss == pytest.approx([(np.array(each) * factor).mean()] * 3, abs=1e-5)


def test_the_gradient_is_the_rise_of_each_pixel():
    # As by hand: rises 1/3 and 1/3, against the truth; none within the margin.
    logits = row([2.0, -1.0, 3.0, -2.0])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = lovasz_hinge(row([1, 1, 0, 0]), logits)
    gradient = tape.gradient(loss, logits).numpy().ravel()
    assert gradient == pytest.approx([0, -1 / 3, 1 / 3, 0], abs=1e-6)


def test_small_rises_keep_their_digits():
    # One defect pixel found, and 2^18 false ones: each rises by about 1 / n^2 of the last, far
    # below what float32 resolves next to 1.
    count = 2**18
    y = np.zeros((1, 1, count + 1, 1), np.float32)
    y[0, 0, 0] = 1
    logits = tf.constant(np.where(y == 1, 9.0, np.linspace(3, 2, count + 1)[None, None, :, None]))
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = lovasz_hinge(y, logits)
    gradient = tape.gradient(loss, logits).numpy().ravel()[1:]
    union = np.arange(1, count + 1, dtype=np.float64)
    assert np.abs(gradient * union * (union + 1) - 1).max() < 1e-5
