import numpy as np
import pytest

from steelexp.lazy import keras, tf
from steelexp.model.fused_gradients import (
    depthwise_conv2d,
    fuse_gradients,
    swish_with_fused_gradient,
)
from steelexp.model.unet import unet


def gradients(function, upstream, *inputs):
    """The output of a function, and the gradients of its product with `upstream`."""
    inputs = [tf.constant(each) for each in inputs]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        output = function(*inputs)
    return output, tape.gradient(output, inputs, upstream)


def normal(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def test_swish_by_hand():
    # s = 1/2 at 0; at ln 3, s = 3/4 and the derivative is 3/4 (1 + ln 3 / 4).
    x = np.array([0.0, np.log(3)], np.float32)
    y, (gradient,) = gradients(swish_with_fused_gradient(), tf.constant([1.0, 2.0]), x)
    assert y.numpy() == pytest.approx([0.0, 0.75 * np.log(3)])
    assert gradient.numpy() == pytest.approx([0.5, 1.5 * (1 + np.log(3) / 4)])


def test_swish_has_the_scores_and_the_gradient_of_the_plain_form():
    x = np.concatenate([normal(1000) * 3, [-1e4, -100.0, 100.0, 1e4]]).astype(np.float32)
    upstream = tf.constant(normal(1004, seed=1))
    y, (ours,) = gradients(swish_with_fused_gradient(), upstream, x)
    plain_y, (plain,) = gradients(lambda x: x * tf.sigmoid(x), upstream, x)
    np.testing.assert_array_equal(y, plain_y)
    np.testing.assert_allclose(ours, plain, rtol=1e-5, atol=1e-6)


def test_swish_agrees_with_finite_differences():
    swish = swish_with_fused_gradient()
    theory, numeric = tf.test.compute_gradient(swish, [normal(3, 4, dtype=np.float64)])
    np.testing.assert_allclose(theory, numeric, atol=1e-6)  # 1e-3 apart


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    ("kernel", "size"), [((5, 5), (8, 9)), ((3, 7), (7, 10)), ((5, 4), (6, 6))]
)
def test_a_depthwise_filter_has_the_gradient_of_the_plain_form(kernel, size, stride, padding):
    image = normal(2, *size, 6)
    weights = normal(*kernel, 6, 1, seed=1)
    strides = (stride, stride)

    def plain(image, weights):
        return tf.nn.depthwise_conv2d(image, weights, [1, stride, stride, 1], padding)

    def ours(image, weights):
        return depthwise_conv2d(image, weights, strides, padding)

    upstream = tf.constant(normal(*plain(image, weights).shape, seed=2))
    output, found = gradients(ours, upstream, image, weights)
    expected_output, expected = gradients(plain, upstream, image, weights)
    np.testing.assert_array_equal(output, expected_output)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_a_network_keeps_its_scores_and_its_gradients():
    keras.utils.set_random_seed(0)
    model = unet(2, backbone="efficientnetb0", weights="none", decoder_filters=(4, 4, 4, 4, 4))
    grey = np.random.default_rng(0).integers(0, 256, (2, 64, 96, 1), np.uint8)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            logits = model(grey, training=False)  # dropout would differ
            loss = tf.reduce_mean(tf.sigmoid(logits) ** 2)
        return logits, tape.gradient(loss, model.trainable_variables)

    names = [weight.name for weight in model.weights]
    plain_logits, plain = step()
    fuse_gradients(model)
    swishes = [layer for layer in model.submodules if getattr(layer, "activation", None)]
    assert sum(layer.activation.__module__.endswith("fused_gradients") for layer in swishes) == 33

    step = tf.function(step.python_function)
    logits, ours = step()
    assert [weight.name for weight in model.weights] == names
    # Fused operations of the forward pass may be other ones: the sigmoid has one reader less.
    np.testing.assert_allclose(logits, plain_logits, atol=1e-6)
    for one, other in zip(ours, plain, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5 * np.abs(other).max())
