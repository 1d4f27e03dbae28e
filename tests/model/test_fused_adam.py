import numpy as np
import pytest

from steelexp.lazy import keras, tf
from steelexp.model.fused_adam import fused
from steelexp.model.optimizers import adam
from steelexp.training import checkpoint
from tests.fakes import compiled

SHAPES = [(3, 3, 8, 4), (5,), ()]


def train(optimizer, steps=20):
    """Weights and optimizer state after steps with the same random gradients."""
    draw = np.random.default_rng(0)
    weights = [tf.Variable(draw.normal(size=shape).astype("f")) for shape in SHAPES]
    optimizer.build(weights)

    @tf.function
    def step(gradients):
        optimizer.apply_gradients(zip(gradients, weights, strict=True))

    for _ in range(steps):
        step([tf.constant(draw.normal(size=shape), tf.float32) for shape in SHAPES])
    return [*weights, *optimizer.variables]


def test_a_step_by_hand():
    # As in test_optimizers: epsilon is added to the root of the uncorrected second average.
    optimizer = fused(adam(learning_rate=0.1, beta_1=0.5, beta_2=0.75, epsilon=1.0))
    weights = tf.Variable([0.0, 0.0])
    optimizer.apply_gradients([(tf.constant([3.0, -1.0]), weights)])
    assert weights.numpy() == pytest.approx([-0.06, 0.1 / 3], abs=1e-6)


@pytest.mark.parametrize("settings", [{}, {"clip_norm": 0.1}, {"beta_1": 0.5, "epsilon": 0.1}])
def test_weights_and_state_are_those_of_the_plain_form(settings):
    plain = train(adam(learning_rate=0.01, **settings))
    ours = train(fused(adam(learning_rate=0.01, **settings)))
    assert [v.name for v in ours] == [v.name for v in plain]
    for one, other in zip(ours, plain, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_settings_of_keras_stay():
    config = fused(keras.optimizers.Adam(0.5, weight_decay=0.1, use_ema=True)).get_config()
    assert config["learning_rate"] == 0.5
    assert config["weight_decay"] == 0.1
    assert config["use_ema"]


def test_decay_of_the_weights_is_the_same():
    plain = train(keras.optimizers.Adam(0.01, weight_decay=0.1))
    ours = train(fused(keras.optimizers.Adam(0.01, weight_decay=0.1)))
    np.testing.assert_allclose(ours[0], plain[0], rtol=1e-4, atol=1e-6)
    assert np.abs(ours[0] - train(fused(keras.optimizers.Adam(0.01)))[0]).max() > 0.01


def test_mixed_precision_scales_the_loss_around_it():
    optimizer = keras.mixed_precision.LossScaleOptimizer(fused(adam(learning_rate=0.1)))
    weight = tf.Variable(0.0)
    gradient = optimizer.get_scaled_loss(tf.constant(2.0))
    optimizer.apply_gradients([(optimizer.get_unscaled_gradients([gradient])[0], weight)])
    assert float(weight) == pytest.approx(-0.1, abs=1e-5)
    optimizer.apply_gradients([(tf.constant(np.nan), weight)])  # an overflow skips the step
    assert float(weight) == pytest.approx(-0.1, abs=1e-5)


def test_a_checkpoint_of_one_form_goes_on_in_the_other(tmp_path):
    ours, plain = compiled(), compiled()
    plain.compile(optimizer=adam(learning_rate=0.01), loss=plain.loss)
    ours.compile(optimizer=fused(adam(learning_rate=0.01)), loss=ours.loss)
    draw = np.random.default_rng(0)
    grey, bits = (draw.integers(0, top, (2, 8, 8, 1), np.uint8) for top in (256, 4))
    plain.train_on_batch(grey, bits)
    checkpoint.save(tmp_path / "last.h5", plain, [], "3f9c")
    checkpoint.restore(tmp_path / "last.h5", ours, "3f9c")
    for model in (plain, ours):
        model.train_on_batch(grey, bits)
    for one, other in zip(ours.optimizer.variables, plain.optimizer.variables, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-9)
    assert int(ours.optimizer.iterations) == 2


def test_another_optimizer_is_left_as_it_is():
    for optimizer in (keras.optimizers.SGD(), keras.optimizers.Adam(amsgrad=True)):
        assert fused(optimizer) is optimizer
