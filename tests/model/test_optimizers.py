import inspect

import numpy as np
import pytest

from steelexp.lazy import keras, tf
from steelexp.model.optimizers import OPTIMIZERS, adam


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


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_has_a_learning_rate_that_training_can_lower(name):
    build = OPTIMIZERS[name]
    assert inspect.signature(build).parameters["learning_rate"].kind.name == "KEYWORD_ONLY"
    optimizer = build(learning_rate=0.5)
    assert isinstance(optimizer, keras.optimizers.Optimizer)
    assert float(optimizer.learning_rate) == 0.5
    optimizer.learning_rate.assign(0.25)
    assert float(optimizer.learning_rate) == 0.25
