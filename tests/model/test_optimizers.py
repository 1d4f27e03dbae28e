import inspect

import numpy as np
import pytest

from steelexp.lazy import keras, tf
from steelexp.model.fused_adam import fused
from steelexp.model.optimizers import OPTIMIZERS, adam, adamw, sgd


def test_adam_by_hand():
    # g = 3: m = 1.5, root of v = 1.5; g = -1: -0.5 and 0.5. The bias of both at the first step,
    # root(1 - 0.75) / (1 - 0.5), is 1: a step of -0.1 m / (root of v + 1).
    optimizer = adam(learning_rate=0.1, beta_1=0.5, beta_2=0.75, epsilon=1.0)
    weights = tf.Variable([0.0, 0.0])
    optimizer.apply_gradients([(tf.constant([3.0, -1.0]), weights)])
    assert weights.numpy() == pytest.approx([-0.06, 0.1 / 3], abs=1e-6)


def test_adam_by_default_takes_the_papers_settings():
    config = adam().get_config()
    assert config["beta_1"] == 0.9
    assert config["beta_2"] == 0.999
    assert config["learning_rate"] == pytest.approx(1e-3)
    assert config["epsilon"] == 1e-7
    assert config["global_clipnorm"] is None


def test_adam_clips_the_norm_of_all_gradients_together():
    # (3, 0) and (0, 4) have the norm 5 together: clipped to 1, (0.6, 0) and (0, 0.8).
    optimizer = adam(clip_norm=1.0, beta_1=0.0)
    weights = [tf.Variable([0.0, 0.0]), tf.Variable([0.0, 0.0])]
    gradients = [tf.constant([3.0, 0.0]), tf.constant([0.0, 4.0])]
    optimizer.apply_gradients(zip(gradients, weights, strict=True))
    first_moments = [v.numpy() for v in optimizer.variables if "/m/" in v.name]
    np.testing.assert_allclose(first_moments, [[0.6, 0.0], [0.0, 0.8]], atol=1e-6)


def trained(optimizer, steps=5):
    """Weights after steps down the sum of their squares."""
    weights = tf.Variable([1.0, -2.0, 3.0], name="layer/kernel")
    for _ in range(steps):
        optimizer.apply_gradients([(2.0 * weights, weights)])
    return weights.numpy()


PYTORCH = {
    "adamw": [0.476021, -1.4185979, 2.3674068],
    "nesterov": [-0.4157175, 0.8314351, -1.2471526],
    "momentum": [-0.58042, 1.16084, -1.7412599],
}
"""What PyTorch 2.13 printed:

    w = torch.tensor([1.0, -2.0, 3.0], requires_grad=True)
    o = torch.optim.AdamW([w], lr=0.1, betas=(0.75, 0.9375), eps=1e-12, weight_decay=0.1)
    for _ in range(5):
        o.zero_grad()
        (w**2).sum().backward()
        o.step()
    print(w.tolist())

and with torch.optim.SGD([w], lr=0.1, momentum=0.9), and with nesterov=True. The decays of AdamW are
sums of powers of two, because Keras takes its powers in single precision.
"""


@pytest.mark.parametrize("form", [lambda optimizer: optimizer, fused])
def test_adamw_is_that_of_pytorch(form):
    decays = {"beta_1": 0.75, "beta_2": 0.9375}
    optimizer = form(adamw(learning_rate=0.1, weight_decay=0.1, epsilon=1e-12, **decays))
    np.testing.assert_allclose(trained(optimizer), PYTORCH["adamw"], atol=1e-6)


@pytest.mark.parametrize("momentum", ["nesterov", "momentum"])
def test_sgd_is_that_of_pytorch(momentum):
    optimizer = sgd(learning_rate=0.1, nesterov=momentum == "nesterov")
    np.testing.assert_allclose(trained(optimizer), PYTORCH[momentum], atol=1e-6)


def test_sgd_by_hand():
    # g = 1 twice: v = -0.1, then -0.05 - 0.1 = -0.15.
    optimizer = sgd(learning_rate=0.1, momentum=0.5, nesterov=False)
    weight = tf.Variable(0.0)
    for expected in (-0.1, -0.25):
        optimizer.apply_gradients([(tf.constant(1.0), weight)])
        assert float(weight) == pytest.approx(expected)


@pytest.mark.parametrize("form", [lambda optimizer: optimizer, fused])
def test_batch_norm_and_biases_do_not_decay(form):
    layers = [keras.layers.Conv2D(2, 3), keras.layers.BatchNormalization()]
    model = keras.Sequential([keras.Input((8, 8, 1)), *layers])
    before = [variable.numpy() for variable in model.trainable_variables]
    optimizer = form(adamw(learning_rate=0.5, weight_decay=0.5))
    zeros = [tf.zeros_like(variable) for variable in model.trainable_variables]
    optimizer.apply_gradients(zip(zeros, model.trainable_variables, strict=True))
    names = [variable.name.rsplit("/", 1)[1] for variable in model.trainable_variables]
    assert names == ["kernel:0", "bias:0", "gamma:0", "beta:0"]
    for variable, values, factor in zip(
        model.trainable_variables, before, [0.75, 1, 1, 1], strict=True
    ):
        np.testing.assert_allclose(variable, factor * values, rtol=1e-6)


@pytest.mark.parametrize("build", [adam, adamw, sgd])
def test_every_optimizer_clips_the_global_norm(build):
    # Norm 5, clipped to 1: as if the gradients were a fifth.
    ours, fifth = build(clip_norm=1.0), build()
    weights = [tf.Variable([0.0]), tf.Variable([0.0]), tf.Variable([0.0]), tf.Variable([0.0])]
    ours.apply_gradients(zip(tf.constant([[3.0], [4.0]]), weights[:2], strict=True))
    fifth.apply_gradients(zip(tf.constant([[0.6], [0.8]]), weights[2:], strict=True))
    np.testing.assert_allclose(weights[:2], weights[2:], rtol=1e-5)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_has_a_learning_rate_that_training_can_lower(name):
    build = OPTIMIZERS[name]
    assert inspect.signature(build).parameters["learning_rate"].kind.name == "KEYWORD_ONLY"
    optimizer = build(learning_rate=0.5)
    assert isinstance(optimizer, keras.optimizers.Optimizer)
    assert float(optimizer.learning_rate) == 0.5
    optimizer.learning_rate.assign(0.25)
    assert float(optimizer.learning_rate) == 0.25
