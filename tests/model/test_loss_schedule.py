import numpy as np
import pytest

from steelexp.lazy import keras, tf
from steelexp.model.loss_schedule import mix_losses, warm_up_weight
from steelexp.model.losses import bce, lovasz_hinge
from tests.model.masks import random_batch


@pytest.mark.parametrize(
    ("settings", "weights"),
    [
        ({"epochs": 3}, [0, 0, 0, 1, 1, 1, 1]),
        ({"epochs": 2, "fade": 1}, [0, 0, 1 / 2, 1, 1, 1, 1]),
        ({"epochs": 1, "fade": 3}, [0, 1 / 4, 2 / 4, 3 / 4, 1, 1, 1]),
        ({}, [0, 0, 0, 0, 0, 1, 1]),
    ],
)
def test_weight_by_epoch(settings, weights):
    got = [warm_up_weight(epoch, **settings) for epoch in range(1, 8)]
    assert got == pytest.approx(weights)


@pytest.mark.parametrize("branches", [True, False])
@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_losses_are_mixed(share, branches):
    y, logits = random_batch()
    loss = mix_losses(bce, lovasz_hinge, tf.Variable(share), branches=branches)
    expected = (1 - share) * bce(y, logits) + share * lovasz_hinge(y, logits)
    assert loss(y, logits).numpy() == pytest.approx(expected.numpy(), abs=1e-5)


@pytest.mark.parametrize(("share", "asked"), [(0.0, ["first"]), (1.0, ["second"])])
def test_a_loss_without_weight_is_not_computed(share, asked):
    y, logits = random_batch()
    seen = []

    def noted(name):
        return lambda y, x, valid: seen.append(name) or bce(y, x)

    mix_losses(noted("first"), noted("second"), tf.Variable(share))(y, logits)
    assert seen == asked


def test_a_compiled_step_sees_what_is_assigned_between_epochs():
    y, logits = random_batch(shape=(2, 4, 4, 1))
    weight = tf.Variable(0.0, trainable=False)
    image = keras.Input((4, 4, 1))
    model = keras.Model(image, keras.layers.Lambda(lambda x: x)(image))
    model.compile(optimizer="sgd", loss=mix_losses(bce, lovasz_hinge, weight))
    seen = []
    for epoch in (1, 2, 3):
        weight.assign(warm_up_weight(epoch, epochs=1, fade=1))
        seen.append(model.test_on_batch(logits, y))
    parts = np.mean(bce(y, logits)), np.mean(lovasz_hinge(y, logits))
    assert seen == pytest.approx([parts[0], sum(parts) / 2, parts[1]], abs=1e-5)
    assert model.trainable_variables == []
