"""Ignored pixels in every loss: neither their logits nor their labels count."""

import functools
import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelexp.lazy import tf
from steelexp.model.loss_schedule import mix_losses
from steelexp.model.losses import LOSSES
from steelexp.model.pixel_losses import topk_bce
from steelexp.model.truth import truth_of
from tests.model.masks import random_batch, row

SHAPE = (3, 4, 6, 2)

CHOICES = ("reduce", "empty_class")
OTHER_VALUES = {"symmetric": True, "label_smoothing": 0.3, "positive_weights": (3.0,)}


def variants():
    """Every loss with every value of `reduce` and `empty_class`, and one other of some more."""
    for name, loss in LOSSES.items():
        parameters = inspect.signature(loss).parameters
        present = [key for key in CHOICES if key in parameters]
        yield pytest.param(loss, id=name)
        for key in present:
            for value in parameters[key].annotation.__args__:
                yield pytest.param(functools.partial(loss, **{key: value}), id=f"{name}-{value}")
        for key, value in OTHER_VALUES.items():
            if key in parameters:
                yield pytest.param(functools.partial(loss, **{key: value}), id=f"{name}-{key}")


every_loss = pytest.mark.parametrize("loss", list(variants()))


def with_gradient(loss, y, x, valid):
    logits = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        values = loss(tf.constant(y), logits, valid=None if valid is None else tf.constant(valid))
    return values.numpy(), tape.gradient(values, logits).numpy()


def random_valid(seed, shape=SHAPE):
    """[B, h, w, 1] of 0 and 1; the last tile is ignored as a whole."""
    valid = np.random.default_rng(seed).integers(0, 2, (*shape[:3], 1)).astype(np.float32)
    valid[-1] = 0
    return valid


@every_loss
@settings(max_examples=4)
@given(seed=st.integers(0, 2**32 - 1), extreme=st.sampled_from([1.0, 60.0, np.inf, np.nan]))
def test_nothing_depends_on_what_is_below_ignored_pixels(loss, seed, extreme):
    y, x = random_batch(seed, SHAPE)
    valid = random_valid(seed)
    values, gradient = with_gradient(loss, y, x, valid)
    other_y, other_x = random_batch(seed + 1, SHAPE)
    changed = with_gradient(
        loss,
        np.where(valid > 0, y, other_y),
        np.where(valid > 0, x, other_x * np.float32(extreme)).astype(np.float32),
        valid,
    )
    np.testing.assert_array_equal(changed[0], values)
    np.testing.assert_array_equal(changed[1], gradient)
    assert np.isfinite(values).all()
    assert np.isfinite(gradient).all()
    assert (gradient[np.broadcast_to(valid == 0, SHAPE)] == 0).all()


@every_loss
def test_the_loss_is_that_of_the_other_pixels_alone(loss):
    y, x = random_batch(5, SHAPE)
    valid = np.ones((*SHAPE[:3], 1), np.float32)
    valid[:, :, 4:] = 0
    values, gradient = with_gradient(loss, y, x, valid)
    alone, gradient_alone = with_gradient(loss, y[:, :, :4], x[:, :, :4], None)
    np.testing.assert_allclose(values, alone, rtol=1e-5)
    np.testing.assert_allclose(gradient[:, :, :4], gradient_alone, rtol=1e-5, atol=1e-7)


@every_loss
def test_a_tile_that_is_ignored_as_a_whole_costs_nothing(loss):
    y, x = random_batch(6, SHAPE)
    values, gradient = with_gradient(loss, y, x, np.zeros((*SHAPE[:3], 1), np.float32))
    np.testing.assert_allclose(values, 0, atol=1e-9)  # 1e-20 to the power 1 / gamma
    assert (gradient == 0).all()


def test_the_hardest_pixels_are_chosen_among_those_that_count():
    # k = ceil(0.5 * 2): the harder one of the two that count; both ignored ones are harder still.
    values = topk_bce(row([0, 0, 0, 0]), row([-1, 2, 9, 9]), None, row([1, 1, 0, 0]), share=0.5)
    assert values.numpy() == pytest.approx([np.log1p(np.exp(2))])


def test_both_losses_of_a_mixture_leave_them_out():
    y, x = random_batch(7, SHAPE)
    valid = random_valid(7)
    loss = mix_losses(LOSSES["bce"], LOSSES["dice"], tf.Variable(0.25))
    both = [with_gradient(LOSSES[name], y, x, valid)[0] for name in ("bce", "dice")]
    values = with_gradient(loss, y, x, valid)[0]
    np.testing.assert_allclose(values, 0.75 * both[0] + 0.25 * both[1], rtol=1e-6)


def test_truth_by_hand():
    bits = tf.constant(np.array([0b000, 0b001, 0b010, 0b100, 0b111], np.uint8).reshape(1, 1, 5, 1))
    truth = truth_of(bits, 2, has_ignore=True)
    assert truth.y_true.numpy()[0, 0].tolist() == [[0, 0], [1, 0], [0, 1], [0, 0], [0, 0]]
    assert truth.valid.numpy().ravel().tolist() == [1, 1, 1, 0, 0]
    truth = truth_of(bits, 2, has_ignore=False)
    assert truth.y_true.numpy()[0, 0].tolist() == [[0, 0], [1, 0], [0, 1], [0, 0], [1, 1]]
    assert truth.valid is None
