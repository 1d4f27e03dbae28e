import numpy as np
import pytest

from steelexp.lazy import keras, tf
from steelexp.model.losses import bce
from steelexp.model.optimizers import adam, sgd
from steelexp.training.accumulation import Accumulation, ends_group
from steelexp.training.fit import compile_model
from tests.fakes import pixel_model

DRAW = np.random.default_rng(0)
GREY, BITS = (DRAW.integers(0, top, (7, 4, 4, 1), np.uint8) for top in (256, 2))


def compiled(optimizer, line=(0.01, -1.0)):
    model = pixel_model(line)
    compile_model(model, loss=bce, optimizer=optimizer, classes=1)
    return model


def train(model, sizes, accumulation=None, epoch=1):
    """One epoch of batches of these sizes."""
    ends = np.cumsum(sizes)
    for batch, (size, end) in enumerate(zip(sizes, ends, strict=True)):
        if accumulation is not None:
            accumulation.before_batch(batch, len(sizes), epoch)
        model.train_on_batch(GREY[end - size : end], BITS[end - size : end])


@pytest.mark.parametrize(
    ("total", "batches", "ends"), [(4, 2, [1, 3]), (5, 2, [1, 3, 4]), (2, 3, [1]), (2, 1, [0, 1])]
)
def test_the_last_group_of_an_epoch_may_be_smaller(total, batches, ends):
    assert [batch for batch in range(total) if ends_group(batch, total, batches)] == ends


def test_by_hand():
    # A logit of 0 and grey 0: the gradient of the intercept is 1/2 where the defect is absent and
    # -1/2 where it is. Tiles 0, 0, 1: the mean is 1/6, with a rate of 6 a step of -1.
    model = compiled(sgd(learning_rate=6.0, momentum=0.0, nesterov=False), (0.0, 0.0))
    accumulation = Accumulation(model, 2)
    black = np.zeros((1, 1, 1, 1), np.uint8)
    intercept = model.trainable_variables[1]
    for batch, bits in enumerate(([0, 0], [1])):
        assert float(intercept.numpy()[0]) == 0
        accumulation.before_batch(batch, 2, 1)
        grey = np.repeat(black, len(bits), 0)
        model.train_on_batch(grey, np.array(bits, np.uint8).reshape(-1, 1, 1, 1))
    assert float(intercept.numpy()[0]) == pytest.approx(-1, abs=1e-6)


@pytest.mark.parametrize("optimizer", [adam, sgd])
def test_a_group_is_a_step_of_one_large_batch(optimizer):
    large, small = (compiled(optimizer(learning_rate=0.1, clip_norm=0.01)) for _ in range(2))
    accumulation = Accumulation(small, 2)
    for epoch in (1, 2):
        train(large, [4, 3])
        train(small, [2, 2, 2, 1], accumulation, epoch)
    assert int(small.optimizer.iterations) == 4
    for one, other in zip(large.weights, small.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def with_head():
    """A pixel model with the mean of its logits as second output."""
    masks = pixel_model((0.01, -1.0))
    image = keras.layers.GlobalAveragePooling2D()(masks.output)
    model = keras.Model(masks.input, [masks.output, image])

    def head_loss(y_true, logits, valid):
        return tf.reduce_mean((tf.reduce_mean(y_true, [1, 2]) - logits) ** 2, 1)

    compile_model(model, loss=bce, head_loss=head_loss, optimizer=sgd(learning_rate=0.1), classes=1)
    return model


def test_the_losses_of_two_outputs_are_accumulated():
    large, small = with_head(), with_head()
    train(large, [6])
    train(small, [2, 2, 2], Accumulation(small, 3))
    for one, other in zip(large.weights, small.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_an_incomplete_group_is_a_step():
    model = compiled(sgd())
    train(model, [2, 2, 2], Accumulation(model, 2))
    assert int(model.optimizer.iterations) == 2


def test_nothing_is_left_of_an_interrupted_epoch():
    begun, fresh = compiled(adam()), compiled(adam())
    accumulations = [Accumulation(begun, 3), Accumulation(fresh, 3)]
    accumulations[0].before_batch(0, 3, 1)
    begun.train_on_batch(GREY[:2], BITS[:2])
    for model, accumulation in zip((begun, fresh), accumulations, strict=True):
        train(model, [2, 2, 2], accumulation)
    assert all(map(np.array_equal, begun.get_weights(), fresh.get_weights()))


def test_each_batch_has_a_number_of_its_own():
    model = compiled(sgd())
    accumulation = Accumulation(model, 2)
    numbers = []
    for epoch, total in ((1, 4), (2, 4), (3, 2), (4, 2)):  # two phases
        for batch in range(total):
            accumulation.before_batch(batch, total, epoch)
            numbers.append(int(accumulation.batch))
    assert len(set(numbers)) == 12


def test_half_precision_skips_a_group_with_an_overflow():
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = compiled(sgd(learning_rate=0.1))
    finally:
        keras.mixed_precision.set_global_policy("float32")
    accumulation = Accumulation(model, 2)
    before = model.get_weights()
    scale = float(model.optimizer.loss_scale)
    model.optimizer._loss_scale.current_loss_scale.assign(1e38)
    train(model, [2, 2], accumulation)
    assert all(map(np.array_equal, before, model.get_weights()))
    model.optimizer._loss_scale.current_loss_scale.assign(scale / 2**10)
    train(model, [2, 2], accumulation)
    assert not any(map(np.array_equal, before, model.get_weights()))


@pytest.mark.parametrize("xla", [False, True])
def test_a_compiled_step_accumulates(xla):
    model = pixel_model((0.01, -1.0))
    compile_model(model, loss=bce, optimizer=adam(learning_rate=0.1), classes=1, xla=xla)
    accumulation = Accumulation(model, 2)
    plain = compiled(adam(learning_rate=0.1))
    train(model, [2, 2], accumulation)
    train(plain, [4])
    for one, other in zip(model.weights, plain.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert tf.config.functions_run_eagerly() is False
