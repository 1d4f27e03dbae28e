import numpy as np
import pytest

from steelexp.lazy import keras, tf
from steelexp.model import winograd
from steelexp.model.folded_decoder import FoldedConvolution
from steelexp.model.unet import unet

FILTERS = (96, 64, 8, 8, 8)
"""Decoder channels of which the first two stages are wide enough."""


def direct(tensor, kernel):
    return tf.nn.conv2d(tensor, kernel, 1, "SAME")


def direct_doubled(tensor, kernel):
    return direct(tf.repeat(tf.repeat(tensor, 2, axis=1), 2, axis=2), kernel)


def normal(*shape, seed=0):
    return tf.constant(np.random.default_rng(seed).normal(size=shape), tf.float32)


def values(function, tensor, kernel):
    """The output of a convolution and its two gradients, from a compiled function."""

    @tf.function
    def step(tensor, kernel, upstream):
        with tf.GradientTape() as tape:
            tape.watch([tensor, kernel])
            output = function(tensor, kernel)
        return output, *tape.gradient(output, [tensor, kernel], upstream)

    upstream = normal(*function(tensor, kernel).shape, seed=2)
    return [each.numpy() for each in step(tensor, kernel, upstream)]


def assert_close(ours, plain, tolerance=1e-5):
    """Equal but for a share of the largest value."""
    for one, other in zip(ours, plain, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * np.abs(other).max())


def test_sums_of_neighbours_by_hand():
    tensor = tf.ones([1, 4, 4, 1])
    kernel = tf.ones([3, 3, 1, 1])
    expected = [[4, 6, 6, 4], [6, 9, 9, 6], [6, 9, 9, 6], [4, 6, 6, 4]]
    np.testing.assert_allclose(winograd.convolve(tensor, kernel)[0, ..., 0], expected, atol=1e-5)
    doubled = winograd.convolve_doubled(tensor[:, :2, :2], kernel)
    np.testing.assert_allclose(doubled[0, ..., 0], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("batch", "height", "width", "inputs", "outputs"), [(1, 1, 1, 1, 2), (2, 3, 2, 3, 1)]
)
def test_values_and_gradients_are_those_of_the_direct_form(batch, height, width, inputs, outputs):
    kernel = normal(3, 3, inputs, outputs, seed=1)
    tensor = normal(batch, 4 * height, 4 * width, inputs)
    assert_close(values(winograd.convolve, tensor, kernel), values(direct, tensor, kernel))
    tensor = normal(batch, 2 * height, 2 * width, inputs)
    ours = values(winograd.convolve_doubled, tensor, kernel)
    assert_close(ours, values(direct_doubled, tensor, kernel))


@pytest.mark.parametrize(
    ("function", "plain", "shape"),
    [
        pytest.param(winograd.convolve, direct, (2, 16, 16, 672), marks=pytest.mark.slow),
        (winograd.convolve_doubled, direct_doubled, (2, 8, 8, 1280)),
    ],
)
def test_many_channels_have_small_errors_and_equal_bits_when_repeated(function, plain, shape):
    tensor = normal(*shape)
    kernel = normal(3, 3, shape[-1], 64, seed=1)
    ours = values(function, tensor, kernel)
    assert_close(ours, values(plain, tensor, kernel), 2e-5)
    for one, again in zip(ours, values(function, tensor, kernel), strict=True):
        np.testing.assert_array_equal(one, again)


@pytest.mark.parametrize(
    ("shape", "outputs", "form", "expected"),
    [
        ((2, 8, 12, 64), 64, "plain", True),
        ((2, 8, 12, 32), 32, "plain", False),  # too few channels
        ((2, 8, 10, 64), 64, "plain", False),  # no whole tiles
        ((2, 8, 10, 256), 128, "doubled", True),
        ((2, 8, 10, 128), 64, "doubled", False),
    ],
)
def test_what_the_form_suits(shape, outputs, form, expected):
    kernel = tf.zeros([3, 3, shape[-1], outputs])
    assert winograd.suits(tf.zeros(shape), kernel, form) is expected
    assert not winograd.suits(tf.zeros(shape, tf.bfloat16), kernel, form)


def test_a_layer_keeps_its_bias_and_its_activation_and_evaluates_directly():
    layer = keras.layers.Conv2D(64, 3, padding="same", activation="relu", bias_initializer="ones")
    strided = keras.layers.Conv2D(64, 3, 2, padding="same")
    tensor = normal(2, 8, 8, 64)
    model = keras.Sequential([layer, strided])
    plain = model(tensor)
    plain_layer = layer(tensor)
    winograd.use_winograd(model)
    ours = layer(tensor, training=True)
    assert_close([ours], [plain_layer])
    assert (ours.numpy() != plain_layer.numpy()).any()
    np.testing.assert_array_equal(model(tensor, training=False), plain)


def test_a_folded_stage_convolves_in_both_forms_in_training_only():
    layer = FoldedConvolution(built(keras.layers.Conv2D(96, 3, use_bias=False), 480 + 64))
    parts = [normal(1, 4, 4, 480), normal(1, 8, 8, 64)]
    plain = layer(parts, training=True)
    model = keras.Sequential([layer])
    winograd.use_winograd(model)
    ours = layer(parts, training=True)
    assert_close([ours], [plain], 2e-5)
    assert (ours.numpy() != plain.numpy()).any()
    np.testing.assert_array_equal(layer(parts, training=False), plain)


def built(layer, channels):
    layer.build([None, None, None, channels])
    return layer


@pytest.mark.slow
@pytest.mark.parametrize("decoder", ["plain", "folded"])
def test_a_network_keeps_its_scores_and_its_gradients(decoder):
    keras.utils.set_random_seed(0)
    settings = {"backbone": "mobilenetv2", "weights": "none", "decoder_filters": FILTERS}
    model = unet(2, decoder, **settings)
    grey = np.random.default_rng(0).integers(0, 256, (2, 64, 128, 1), np.uint8)

    def step():
        @tf.function
        def values():
            with tf.GradientTape() as tape:
                logits = model(grey, training=True)
                loss = tf.reduce_mean(tf.sigmoid(logits) ** 2)
            return logits, tape.gradient(loss, model.trainable_variables)

        return values()

    names = [weight.name for weight in model.weights]
    plain_logits, plain = step()
    winograd.use_winograd(model)
    logits, ours = step()
    assert [weight.name for weight in model.weights] == names
    np.testing.assert_allclose(logits, plain_logits, atol=1e-4)
    assert (logits.numpy() != plain_logits.numpy()).any()
    largest = max(np.abs(gradient).max() for gradient in plain)
    for one, other in zip(ours, plain, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4 * largest)
    layers = [each for each in model.submodules if isinstance(each, FoldedConvolution)]
    assert len(layers) == (5 if decoder == "folded" else 0)
