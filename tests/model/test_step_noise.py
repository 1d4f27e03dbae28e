"""Dropout that draws the noise of the step, whatever was computed before."""

import numpy as np
import pytest

from steelexp.lazy import keras, tf
from steelexp.model.step_noise import follow_steps

SHAPE = (1, 50)


def noisy(layers=2):
    grey = keras.Input((50,))
    return keras.Model(
        grey, [keras.layers.Dropout(0.5, noise_shape=(None, 50))(grey) for _ in range(layers)]
    )


class Network:
    """Two dropouts, a seed and a step."""

    def __init__(self, seed=1):
        self.step = tf.Variable(0, dtype=tf.int64)
        self.model = noisy()
        self.seed = follow_steps(self.model, seed, self.step)
        self.call = tf.function(lambda x: self.model(x, training=True))

    def noise(self, step):
        self.step.assign(step)
        return [part.numpy() for part in self.call(tf.ones(SHAPE))]


@pytest.fixture(scope="module")
def network():
    return Network()


def test_noise_is_that_of_the_step_in_any_order(network):
    first, second = network.noise(3), network.noise(4)
    np.testing.assert_array_equal(network.noise(3), first)
    assert (first[0] != second[0]).any()
    np.testing.assert_array_equal(Network().noise(4), second)


def test_layers_and_seeds_have_noise_of_their_own(network):
    one, other = network.noise(3)
    assert (one != other).any()
    assert (Network(seed=2).noise(3)[0] != one).any()


def test_the_seed_is_a_variable(network):
    network.seed.assign(2)
    changed = network.noise(3)
    network.seed.assign(1)
    np.testing.assert_array_equal(changed, Network(seed=2).noise(3))


def test_it_drops_at_the_rate_and_keeps_the_mean(network):
    noise = np.array([network.noise(step) for step in range(100)])
    assert set(np.unique(noise)) == {0.0, 2.0}
    assert noise.mean() == pytest.approx(1.0, abs=0.05)


def test_nothing_is_dropped_outside_training(network):
    assert (network.model(tf.ones(SHAPE))[0].numpy() == 1).all()
