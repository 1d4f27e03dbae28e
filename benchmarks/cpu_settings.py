"""What oneDNN, the remapper and a patient allocator are worth on this machine's CPU.

    python benchmarks/cpu_settings.py

Each combination runs in a process of its own, because TensorFlow reads these settings once, and
the rounds alternate between them, because a shared machine's speed drifts. Prints the median
seconds of one training step (batch 8 of 256 x 256) and of one whole image (256 x 1600) through a
mobilenet U-Net, and their ratio to the settings that `training/runtime.py` makes.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 2
SETTINGS = {
    "as steelexp sets them": {"onednn": 1, "remapping": 0, "patient": 1},
    "remapper on": {"onednn": 1, "remapping": 1, "patient": 1},
    "allocator as it is": {"onednn": 1, "remapping": 0, "patient": 0},
    "oneDNN off": {"onednn": 0, "remapping": 1, "patient": 1},
}


def measure(settings):
    """Seconds of a training step and of an image: the medians of four."""
    import numpy as np

    from steelexp.lazy import keras, tf
    from steelexp.model.losses import bce_dice
    from steelexp.model.unet import unet
    from steelexp.training import runtime
    from steelexp.training.fit import compile_model

    if settings["patient"]:
        runtime.keep_memory()
    tf.config.optimizer.set_experimental_options({"remapping": bool(settings["remapping"])})
    model = unet(4, backbone="mobilenet", weights="none", decoder_filters=(64, 48, 32, 24, 16))
    compile_model(model, loss=bce_dice, optimizer=keras.optimizers.Adam(), classes=4)
    draw = np.random.default_rng(0)
    grey = draw.integers(0, 256, (8, 256, 256, 1), np.uint8)
    bits = draw.integers(0, 16, (8, 256, 256, 1), np.uint8)
    image = draw.integers(0, 256, (1, 256, 1600, 1), np.uint8)
    forward = tf.function(lambda x: model(x, training=False))
    return {
        "step": _median(lambda: model.train_on_batch(grey, bits)),
        "image": _median(lambda: forward(image).numpy()),
    }


def _median(act, times=4):
    act()  # traces the graph
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def _in_a_process(settings):
    environment = os.environ | {"TF_ENABLE_ONEDNN_OPTS": str(settings["onednn"])}
    environment["PYTHONPATH"] = str(Path(__file__).parents[1])
    command = [sys.executable, __file__, json.dumps(settings)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    """Measure every combination in turn and print the table."""
    measurements = {name: [] for name in SETTINGS}
    for _ in range(ROUNDS):
        for name, settings in SETTINGS.items():
            measurements[name].append(_in_a_process(settings))
    reference = next(iter(measurements.values()))
    print(f"{'settings':24}{'step, s':>10}{'ratio':>8}{'image, s':>10}{'ratio':>8}")
    for name, rounds in measurements.items():
        cells = []
        for key in ("step", "image"):
            value = statistics.median(each[key] for each in rounds)
            ratio = statistics.median(
                each[key] / base[key] for each, base in zip(rounds, reference, strict=True)
            )
            cells.append(f"{value:10.2f}{ratio:8.2f}")
        print(f"{name:24}{''.join(cells)}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(json.loads(sys.argv[1]))))
    else:
        main()
