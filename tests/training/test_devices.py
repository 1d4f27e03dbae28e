"""A training on two devices beside one on one; both are logical CPUs of a process of their own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from steelexp.errors import UserError
from steelexp.lazy import tf
from steelexp.training import devices

# Trains for three epochs of seven random tiles of 16 x 16, four a step, so that the shares of the
# last batch differ. The loss sums over the batch, the network has batch norm.
TRAIN = """
import json, sys
from functools import partial
from pathlib import Path
import numpy as np
from steelexp.epoch_profile import EpochProfile
from steelexp.lazy import keras, tf
from steelexp.model.fused_adam import fused
from steelexp.model.optimizers import adam, adamw
from steelexp.model.overlap_losses import dice
from steelexp.training import checkpoint, devices, fit
from steelexp.training.averaging import ema
from steelexp.training.encoder import EncoderTraining
from steelexp.training.epoch import train_batches
from steelexp.records.store import Epoch

keras.mixed_precision.set_global_policy(sys.argv[2])
cpu = tf.config.list_physical_devices("CPU")[0]
logical = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, logical)
draw = np.random.default_rng(0)
grey = draw.integers(0, 256, (7, 16, 16, 1), np.uint8)
bits = (grey > 128).astype(np.uint8) | np.uint8(2) * (draw.random(grey.shape) < 0.2)  # 2: ignored
tiles = tf.data.Dataset.from_tensor_slices((grey, bits)).batch(4)

def network():
    layers = keras.layers
    seen = keras.Input((None, None, 1), dtype="uint8")
    scaled = layers.Lambda(lambda x: tf.cast(x, tf.float32) / 255)(seen)
    inside = keras.Sequential([
        layers.Conv2D(4, 3, padding="same"),
        layers.BatchNormalization(momentum=0.5),
        layers.ReLU(),
        layers.Conv2D(1, 1),
    ])
    logits = layers.Activation("linear", dtype="float32")(inside(scaled))  # as in unet
    return keras.Model(seen, logits)

def compiled(kind):
    distribution = devices.strategy(kind, batches=[(4, 7)])
    with devices.variable_scope(distribution):
        keras.utils.set_random_seed(0)
        model = network()
        loss = partial(dice, reduce="batch")
        fit.compile_model(
            model, loss=loss, optimizer=fused(adam(learning_rate=0.01)), classes=1, has_ignore=True
        )
    return distribution.num_replicas_in_sync, model

def epochs(model, count, after_batch=lambda batch: None):
    return [
        train_batches(model, tiles, "", lambda batch: 0.01, after_batch, EpochProfile())
        for _ in range(count)
    ]

found = {}
for kind in ("one", "all"):
    count, model = compiled(kind)
    averages = ema(model, decay=0.5)
    losses = epochs(model, 2, lambda batch: averages.after_step(batch + 1))
    checkpoint.save(Path(sys.argv[1], kind), model, [Epoch(1, 2, 0.0, {})], "ab")
    scores = tf.function(lambda grey: model(grey, training=False))(grey).numpy()
    losses += epochs(model, 1)
    found[kind] = {"devices": count, "losses": losses, "score": float(scores.mean())}
    with averages.in_network():
        found[kind]["averages"] = [float(weight.numpy().mean()) for weight in model.weights]
for kind in ("one", "all"):
    distribution = devices.strategy(kind, batches=[(4, 7)])
    with devices.variable_scope(distribution):
        keras.utils.set_random_seed(0)
        model = network()
        model.encoder_variable_names = tuple(v.name for v in model.layers[2].weights[:2])
        optimizer = fused(adamw(learning_rate=0.01))
        encoder = EncoderTraining(model, frozen_epochs=0, rate_factor=0.5)
        encoder.adapt(optimizer)
        loss = partial(dice, reduce="batch")
        fit.compile_model(model, loss=loss, optimizer=optimizer, classes=1, has_ignore=True)
    losses = []
    for number in range(3):
        encoder.before_epoch([Epoch(n + 1, 2 * n + 2, 0.0, {}) for n in range(number)])
        losses += epochs(model, 1)
        losses.append(float(model.layers[2].weights[0].numpy().mean()))
    found[f"encoder on {kind}"] = losses

_, model = compiled("one")
checkpoint.restore(Path(sys.argv[1], "all"), model, "ab")
found["resumed on one"] = epochs(model, 1)
print(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("precision", "tolerance"),
    # A device rounds its share of a kernel's gradient to bfloat16, which has 8 bits.
    [("float32", 1e-5), ("mixed_bfloat16", 1e-2)],
)
def test_two_devices_train_as_one(tmp_path, precision, tolerance):
    ran = subprocess.run(
        [sys.executable, "-c", TRAIN, str(tmp_path), precision],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    one, two = found["one"], found["all"]
    assert (one["devices"], two["devices"]) == (1, 2)
    assert two["losses"] == pytest.approx(one["losses"], abs=tolerance)
    assert two["score"] == pytest.approx(one["score"], abs=1e-2)  # by the moving variance
    # The gradient of a bias before batch norm is rounding alone, which Adam makes a whole step.
    assert two["averages"] == pytest.approx(one["averages"], abs=max(10 * tolerance, 1e-3))
    assert found["encoder on all"] == pytest.approx(found["encoder on one"], abs=10 * tolerance)
    assert found["resumed on one"] == pytest.approx(two["losses"][2:], abs=tolerance)


@pytest.mark.parametrize(
    ("batch_size", "tiles", "said"),
    [
        (4, 30, "4 for 3 devices: 1 tiles of each batch are left over; take 3 or 6, or"),
        (2, 30, "2 for 3 devices: 2 tiles of each batch are left over; take 3 or 6, or"),
        (6, 31, "6 for 3 devices: the last batch of 31 tiles has 1; take 9 or 12, or"),
    ],
)
def test_batches_that_cannot_be_shared_are_refused(monkeypatch, batch_size, tiles, said):
    gpus = ["GPU:0", "GPU:1", "GPU:2"]
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: gpus)
    with pytest.raises(UserError, match=f"training.batch_size: {said} training.devices=one"):
        devices.strategy("all", batches=[(6, 30), (batch_size, tiles)])
    one = devices.strategy("one", batches=[(6, 30), (batch_size, tiles)])
    assert one.num_replicas_in_sync == 1
