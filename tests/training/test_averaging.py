import numpy as np
import pytest

from steelexp.lazy import keras, tf
from steelexp.model.losses import bce
from steelexp.model.optimizers import sgd
from steelexp.training import checkpoint
from steelexp.training.averaging import AVERAGES, BatchNormStatistics, ema, none, swa
from steelexp.training.fit import compile_model
from tests.fakes import pixel_model

DRAW = np.random.default_rng(0)
GREY, BITS = (DRAW.integers(0, top, (6, 4, 4, 1), np.uint8) for top in (256, 2))


def no_batches():
    raise AssertionError("no batch is needed")


def set_weights(model, value):
    for weight in model.weights:
        weight.assign(np.full(weight.shape, value))


def values(variables):
    """The different first values."""
    return sorted({float(variable.numpy().flat[0]) for variable in variables})


def batch_norm_model():
    """Grey -> one channel, batch norm, logits of one class."""
    grey = keras.Input((None, None, 1), dtype="uint8")
    image = keras.layers.Lambda(lambda x: tf.cast(x, tf.float32) / 255)(grey)
    scores = keras.layers.BatchNormalization()(keras.layers.Conv2D(2, 1)(image))
    model = keras.Model(grey, keras.layers.Conv2D(1, 1)(scores))
    compile_model(model, loss=bce, optimizer=sgd(learning_rate=0.5), classes=1)
    return model


def batches(size=2):
    return tf.data.Dataset.from_tensor_slices((GREY, BITS)).batch(size)


# --- exponential moving average


def test_ema_by_hand():
    # Decays 2/11, 3/12 and 4/13, and the limit 0.3 instead of the last.
    model = pixel_model((0.0, 0.0))
    averages = ema(model, decay=0.3)
    expected = 0.0
    for step, decay in enumerate((2 / 11, 3 / 12, 0.3), start=1):
        set_weights(model, 10.0 * step)
        averages.after_step(step)
        expected = decay * expected + (1 - decay) * 10 * step
        assert values(averages.variables) == pytest.approx([expected], rel=1e-6)


def test_ema_is_that_of_tensorflow():
    model = batch_norm_model()
    averages = ema(model, decay=0.9)
    theirs = [weight.numpy().astype(np.float64) for weight in model.weights]
    for step in range(1, 20):
        model.train_on_batch(GREY, BITS)
        averages.after_step(step)
        teacher = tf.train.ExponentialMovingAverage(0.9, num_updates=step)
        theirs = [moved(teacher, *pair) for pair in zip(theirs, model.weights, strict=True)]
    for ours, expected in zip(averages.variables, theirs, strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-6)


def moved(teacher, average, weight):
    """The average after one step of TensorFlow's, which begins at the value of its variable."""
    variable = tf.Variable(average, dtype=tf.float32)
    teacher.apply([variable])
    variable.assign(weight)
    teacher.apply([variable])
    return teacher.average(variable).numpy()


def test_ema_is_that_of_keras_where_the_decay_needs_no_warm_up():
    # 0.15 is below the first decay of the warm-up, 2/11.
    ours, theirs = batch_norm_model(), batch_norm_model()
    theirs.set_weights(ours.get_weights())
    optimizer = keras.optimizers.SGD(
        0.5, momentum=0.9, nesterov=True, use_ema=True, ema_momentum=0.15
    )
    compile_model(theirs, loss=bce, optimizer=optimizer, classes=1)
    averages = ema(ours, decay=0.15)
    for step in range(1, 6):
        ours.train_on_batch(GREY, BITS)
        theirs.train_on_batch(GREY, BITS)
        averages.after_step(step)
    optimizer.finalize_variable_values(theirs.trainable_variables)
    with averages.in_network():
        for one, other in zip(ours.trainable_variables, theirs.trainable_variables, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)


# --- stochastic weight averaging


def test_swa_by_hand():
    model = pixel_model((0.0, 0.0))
    averages = swa(model, start_epoch=2)
    expected = [10, 20, (20 + 30) / 2, (20 + 30 + 40) / 3]
    for epoch, value in enumerate(expected, start=1):
        set_weights(model, 10.0 * epoch)
        averages.after_step(epoch)
        averages.after_epoch(epoch, batches if epoch > 2 else no_batches)
        assert values(averages.variables) == pytest.approx([value])
        assert values(model.weights) == [10 * epoch]


def test_swa_computes_the_statistics_of_batch_norm_again():
    model = batch_norm_model()
    averages = swa(model, start_epoch=1, batch_norm_batches=2)
    for epoch in (1, 2):
        model.train_on_batch(GREY, BITS)
        averages.after_epoch(epoch, batches)
    with averages.in_network():
        convolution, norm = model.layers[2], model.layers[3]
        batch_values = [convolution(GREY[i : i + 2] / 255).numpy().reshape(-1, 2) for i in (0, 2)]
        np.testing.assert_allclose(
            norm.moving_mean, np.mean([v.mean(0) for v in batch_values], 0), atol=1e-6
        )
        # TensorFlow's kernel divides by n - 1.
        np.testing.assert_allclose(
            norm.moving_variance, np.mean([v.var(0, ddof=1) for v in batch_values], 0), atol=1e-6
        )
        assert norm.momentum == 0.99


def test_the_statistics_of_one_batch_after_another_are_all_there():
    model = batch_norm_model()
    statistics = BatchNormStatistics(model)
    statistics.compute(batches(6))
    whole = [variable.numpy() for variable in model.non_trainable_variables]
    statistics.compute(batches(2))  # traced no second time
    assert not np.allclose(whole[1], model.non_trainable_variables[1], atol=1e-9)
    np.testing.assert_allclose(whole[0], model.non_trainable_variables[0], atol=1e-6)


# --- in and out of the network


@pytest.mark.parametrize("name", AVERAGES)
def test_the_training_gets_its_weights_back_to_the_last_bit(name):
    model = batch_norm_model()
    averages = AVERAGES[name](model, **({"start_epoch": 1} if name == "swa" else {}))
    for step in (1, 2):
        model.train_on_batch(GREY, BITS)
        averages.after_step(step)
        averages.after_epoch(step, batches)
    before = model.get_weights()
    with averages.in_network():
        inside = model.get_weights()
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert (name == "none") == all(map(np.array_equal, before, inside))


def test_a_checkpoint_has_the_averages_as_weights_and_those_of_the_training_beside(tmp_path):
    model, other = batch_norm_model(), batch_norm_model()
    averages, restored = ema(model, decay=0.9), ema(other, decay=0.9)
    for step in (1, 2, 3):
        model.train_on_batch(GREY, BITS)
        averages.after_step(step)
    with averages.in_network():
        checkpoint.save(tmp_path / "a.h5", model, [], "ab", exchanged=averages.variables)
        inside = model.get_weights()
    reader = batch_norm_model()
    checkpoint.load_weights(tmp_path / "a.h5", reader, "ab")
    assert all(map(np.array_equal, reader.get_weights(), inside))
    checkpoint.restore(tmp_path / "a.h5", other, "ab", restored.variables)
    restored.exchange()
    assert all(map(np.array_equal, other.get_weights(), model.get_weights()))
    for both in ((model, averages), (other, restored)):
        both[0].train_on_batch(GREY, BITS)
        both[1].after_step(4)
    for one, again in zip(averages.variables, restored.variables, strict=True):
        np.testing.assert_array_equal(one, again)


def test_no_average_needs_nothing():
    model = pixel_model((1.0, 2.0))
    averages = none(model)
    averages.after_step(1)
    averages.after_epoch(1, no_batches)
    assert averages.variables == []


def test_half_precision_averages_in_float32():
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = batch_norm_model()
    finally:
        keras.mixed_precision.set_global_policy("float32")
    averages = ema(model)
    assert {variable.dtype for variable in averages.variables} == {tf.float32}
    averages.after_step(1)
