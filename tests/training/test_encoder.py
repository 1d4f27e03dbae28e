import numpy as np
import pytest

from steelexp.lazy import keras, tf
from steelexp.model.fused_adam import fused
from steelexp.model.losses import bce
from steelexp.model.optimizers import OPTIMIZERS, adam, adamw, sgd
from steelexp.records.store import Epoch
from steelexp.training.accumulation import Accumulation
from steelexp.training.encoder import EncoderTraining
from steelexp.training.fit import compile_model

DRAW = np.random.default_rng(0)
GREY, BITS = (DRAW.integers(0, top, (4, 4, 4, 1), np.uint8) for top in (256, 2))


def network():
    """An encoder of one convolution and batch norm, and a decoder of one convolution."""
    keras.utils.set_random_seed(0)
    grey = keras.Input((None, None, 1), dtype="uint8")
    image = keras.layers.Lambda(lambda x: tf.cast(x, tf.float32) / 255)(grey)
    inside = keras.Sequential(
        [keras.layers.Conv2D(2, 3, name="conv1"), keras.layers.BatchNormalization(name="bn1")]
    )
    logits = keras.layers.Conv2DTranspose(1, 3, name="decoder")(inside(image))
    model = keras.Model(grey, logits)
    model.encoder_variable_names = tuple(variable.name for variable in inside.weights)
    return model


def compiled(optimizer, **settings):
    model = network()
    encoder = EncoderTraining(model, **{"frozen_epochs": 0, "rate_factor": 1.0, **settings})
    encoder.adapt(optimizer)
    compile_model(model, loss=bce, optimizer=optimizer, classes=1)
    return model, encoder


def plain(optimizer):
    model = network()
    compile_model(model, loss=bce, optimizer=optimizer, classes=1)
    return model


def train(model, encoder, epochs, *, steps=2, first=1):
    """Epochs of a few steps; the finished ones."""
    finished = [Epoch(n, steps * n, 1.0, {}) for n in range(1, first)]
    for number in range(first, first + epochs):
        tiles = tf.data.Dataset.from_tensor_slices((GREY, BITS)).batch(len(GREY)).repeat(steps)
        encoder.before_epoch(finished)
        model.fit(tiles, verbose=0)
        finished.append(Epoch(number, steps * number, 1.0, {}))
    return finished


def split(model):
    """Weights of the encoder, and of the decoder."""
    names = set(model.encoder_variable_names)
    inside = [variable.numpy() for variable in model.weights if variable.name in names]
    return inside, [v.numpy() for v in model.weights if v.name not in names]


def same(one, other):
    return all(map(np.array_equal, one, other))


# --- frozen epochs


def test_a_frozen_encoder_keeps_weights_and_statistics():
    model, encoder = compiled(sgd(learning_rate=0.1), frozen_epochs=2)
    before = split(model)
    train(model, encoder, 2)
    after = split(model)
    assert same(before[0], after[0])
    assert not any(map(np.array_equal, before[1], after[1]))
    train(model, encoder, 1, first=3)
    assert not any(map(np.array_equal, before[0], split(model)[0]))


def test_frozen_batch_norm_computes_as_in_inference():
    # The loss of the first step is that of the network in inference.
    model, encoder = compiled(sgd(learning_rate=1e-9), frozen_epochs=1)
    expected = float(tf.reduce_mean(bce(tf.cast(BITS & 1, tf.float32), model(GREY))))
    encoder.before_epoch([])
    loss = model.fit(GREY, BITS, verbose=0, batch_size=len(GREY)).history["loss"][0]
    assert loss == pytest.approx(expected, abs=1e-6)


def test_layers_are_trainable_outside_of_the_step():
    model, encoder = compiled(sgd(), frozen_epochs=1)
    order = [variable.name for variable in model.weights]
    train(model, encoder, 1)
    assert [variable.name for variable in model.weights] == order
    assert len(model.trainable_variables) == 6


@pytest.mark.parametrize("form", [lambda optimizer: optimizer, fused])
def test_the_first_steps_after_frozen_ones_are_no_longer_than_the_first_steps_of_all(form):
    # A first step of Adam moves each weight by the learning rate, whatever its gradient.
    model, encoder = compiled(form(adam(learning_rate=0.01, epsilon=1e-12)), frozen_epochs=1)
    before = split(model)[0]
    finished = train(model, encoder, 1, steps=50)
    encoder.before_epoch(finished)
    model.train_on_batch(GREY, BITS)
    kernel = np.abs(split(model)[0][0] - before[0])
    assert kernel == pytest.approx(0.01, rel=1e-3)


def test_a_resumed_run_freezes_and_goes_on_as_an_undisturbed_one():
    whole, encoder = compiled(adam(learning_rate=0.01), frozen_epochs=2)
    train(whole, encoder, 1)
    for first in (2, 3, 4):
        resumed, other = compiled(adam(learning_rate=0.01), frozen_epochs=2)
        resumed.set_weights(whole.get_weights())
        for one, value in zip(resumed.optimizer.variables, whole.optimizer.variables, strict=True):
            one.assign(value)
        train(whole, encoder, 1, first=first)
        train(resumed, other, 1, first=first)
        assert same(whole.get_weights(), resumed.get_weights())


def test_accumulation_in_a_frozen_epoch():
    large, encoder = compiled(sgd(learning_rate=0.1), frozen_epochs=1)
    small, other = compiled(sgd(learning_rate=0.1), frozen_epochs=1)
    accumulation = Accumulation(small, 2)
    encoder.before_epoch([])
    large.train_on_batch(GREY, BITS)
    other.before_epoch([])
    for batch in range(2):
        accumulation.before_batch(batch, 2, 1)
        small.train_on_batch(GREY[2 * batch :][:2], BITS[2 * batch :][:2])
    for one, another in zip(large.get_weights(), small.get_weights(), strict=True):
        np.testing.assert_allclose(one, another, atol=1e-6)


# --- a lower rate


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_encoder_has_a_share_of_the_rate(name):
    # In the first step, the same gradients give a tenth of the difference.
    build = OPTIMIZERS[name]
    slow, _ = compiled(build(learning_rate=0.1), rate_factor=0.1)
    fast = plain(build(learning_rate=0.1))
    before = split(slow)
    for model in (slow, fast):
        model.train_on_batch(GREY, BITS)
    for index, factor, trained in ((0, 0.1, 4), (1, 1.0, 2)):
        for start, one, other in list(
            zip(before[index], split(slow)[index], split(fast)[index], strict=True)
        )[:trained]:
            np.testing.assert_allclose(one - start, factor * (other - start), rtol=1e-3, atol=1e-6)


def test_weights_of_the_encoder_decay_by_its_rate():
    model, _ = compiled(adamw(learning_rate=0.5, weight_decay=0.5), rate_factor=0.5)
    before = [variable.numpy() for variable in model.trainable_variables]
    zeros = [tf.zeros_like(variable) for variable in model.trainable_variables]
    model.optimizer.apply_gradients(zip(zeros, model.trainable_variables, strict=True))
    factors = {"conv1/kernel:0": 1 - 0.125, "decoder/kernel:0": 1 - 0.25}
    for variable, value in zip(model.trainable_variables, before, strict=True):
        np.testing.assert_allclose(variable, factors.get(variable.name, 1) * value, rtol=1e-6)


@pytest.mark.parametrize("build", [adam, adamw, sgd])
def test_a_factor_of_one_changes_no_bit(build):
    one, _ = compiled(fused(build(learning_rate=0.1)))
    other = plain(fused(build(learning_rate=0.1)))
    for model in (one, other):
        for _ in range(3):
            model.train_on_batch(GREY, BITS)
    assert same(one.get_weights(), other.get_weights())


def test_the_rate_that_is_set_counts_for_both():
    model, _ = compiled(sgd(learning_rate=0.1, momentum=0.0, nesterov=False), rate_factor=0.5)
    model.optimizer.learning_rate.assign(0.0)
    before = [variable.numpy() for variable in model.trainable_variables]
    model.train_on_batch(GREY, BITS)
    assert same(before, [variable.numpy() for variable in model.trainable_variables])
