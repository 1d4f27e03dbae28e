"""What a GPU makes of steelexp: training, evaluation, and the input that it needs.

    python -m benchmarks.gpu                 about ten minutes with one GPU
    python -m benchmarks.gpu --json gpu.json

Trains U-Nets on random tiles of 256 x 256 in each precision, with the plain decoder, the folded one
and the folded one compiled by XLA, each in a process of its own, one after the other. Then it
scores whole strips, and reads augmented tiles from generated strips as a training does. It prints
tiles and strips a second, how many such GPUs the input could feed, and how long an epoch of
Kaggle's 12,568 strips would take. A combination that fails is a line with its error.

On a machine without a GPU, `--cpu` tries the script with one small combination.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.side_by_side import machine

SIZE = 256
STRIP = (256, 1600)
STRIPS = 12_568  # of Kaggle's training data
VALIDATION = 0.2
TILES_OF_A_STRIP = 6
BACKBONES = ("mobilenetv2", "efficientnetb0", "efficientnetb4")
PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")
FORMS = ("plain", "folded", "xla")
SECONDS = 6.0
"""Seconds of steps after the first two."""

COMBINATION_SECONDS = 240.0
"""Longest time for one combination, its compilation included."""


def train(backbone, precision, form, batch):
    """Tiles a second of training, strips a second of scoring, and peak memory."""
    import numpy as np

    from steelexp.lazy import keras, tf
    from steelexp.model.losses import bce_dice
    from steelexp.model.unet import unet
    from steelexp.training import runtime
    from steelexp.training.execution import execution_here
    from steelexp.training.fit import compile_model

    decoder = "plain" if form == "plain" else "folded"
    execution = execution_here()._replace(decoder=decoder)
    device = runtime.prepare(seed=0, precision=precision, execution=execution)
    model = unet(4, decoder, backbone=backbone, weights="none")
    compile_model(
        model, loss=bce_dice, optimizer=keras.optimizers.Adam(), classes=4, xla=form == "xla"
    )
    draw = np.random.default_rng(0)
    grey = draw.integers(0, 256, (batch, SIZE, SIZE, 1), np.uint8)
    bits = draw.integers(0, 16, (batch, SIZE, SIZE, 1), np.uint8)
    batches = tf.data.Dataset.from_tensors((grey, bits)).repeat()
    score = tf.function(lambda strip: tf.sigmoid(model(strip, training=False)))
    strips = tf.constant(draw.integers(0, 256, (4, *STRIP, 1), np.uint8))
    steps = iter(batches)
    return {
        "device": device,
        "tiles_a_second": batch / _seconds(lambda: model.train_on_batch(*next(steps))),
        "strips_a_second": 4 / _seconds(lambda: score(strips).numpy()),
        **runtime.peak_memory(),
    }


def read(folder):
    """Augmented tiles a second from generated strips, through tf.data, with a warm cache."""
    import numpy as np

    from steelexp.data import pipeline
    from steelexp.data.augment.geometry import flips
    from steelexp.data.cache import cache_images
    from steelexp.data.sampling import uniform
    from steelexp.data.synthetic import synthetic
    from steelexp.data.tiling import columns

    dataset = cache_images(synthetic(root=f"{folder}/strips", strips=256), "disk", Path(folder))
    rates = []
    for epoch in range(4):
        batches = pipeline.training_batches(
            dataset,
            np.arange(len(dataset)),
            columns,
            uniform,
            [flips],
            batch_size=32,
            seed=0,
            epoch=epoch,
        )
        started = time.perf_counter()
        tiles = sum(int(grey.shape[0]) for grey, _ in batches.tf_dataset())
        rates.append(tiles / (time.perf_counter() - started))
    return {"tiles_a_second": statistics.median(rates[1:])}


def _seconds(act):
    """Median seconds of an act, after two that compile."""
    act()
    act()
    seconds = []
    until = time.perf_counter() + SECONDS
    while time.perf_counter() < until or len(seconds) < 3:
        started = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def in_a_process(*words):
    """The result of a combination; its error where it failed."""
    command = [sys.executable, __file__, "--work", *map(str, words)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=COMBINATION_SECONDS
        )
    except subprocess.TimeoutExpired:
        return {"error": f"not finished after {COMBINATION_SECONDS:.0f} s"}
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["no message"])[-1][:200]}
    return json.loads(done.stdout.splitlines()[-1])


def gpu_names():
    """The GPUs that TensorFlow sees, asked in a process of its own."""
    ask = "from steelexp.lazy import tf; print(len(tf.config.list_physical_devices('GPU')))"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", ask], env=environment, capture_output=True, text=True, check=True
    )
    return int(done.stdout.splitlines()[-1])


def epoch_minutes(result):
    """Minutes of an epoch of Kaggle's strips: its tiles, and whole strips of the validation."""
    tiles = STRIPS * (1 - VALIDATION) * TILES_OF_A_STRIP
    strips = STRIPS * VALIDATION
    return (tiles / result["tiles_a_second"] + strips / result["strips_a_second"]) / 60


def main(args):
    """Measure every combination and say what to expect."""
    if not args.cpu and not gpu_names():
        sys.exit("TensorFlow sees no GPU: pip install 'tensorflow[and-cuda]'; or try --cpu")
    combinations = [
        (backbone, precision, form, args.batch)
        for backbone in BACKBONES
        for precision in PRECISIONS
        for form in FORMS
        if backbone != "mobilenetv2" or form != "plain"
    ]
    if args.cpu:
        combinations = [("mobilenetv2", "float32", "folded", 2)]
    results = []
    print("| network | precision | form | tiles/s | strips/s | GiB | epoch, min |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for combination in combinations:
        result = in_a_process("train", *combination)
        results.append({"combination": combination} | result)
        backbone, precision, form, _ = combination
        row = result.get("error")
        if row is None:
            memory = result.get("peak_gpu_memory_gib", result["peak_memory_gib"])
            row = (
                f"{result['tiles_a_second']:.4g} | {result['strips_a_second']:.4g} | "
                f"{memory:.1f} | {epoch_minutes(result):.1f}"
            )
        print(f"| {backbone} | {precision} | {form} | {row} |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        source = in_a_process("read", folder)
    print(
        f"input: {source.get('tiles_a_second', 0):.0f} tiles a second from {os.cpu_count()} cores"
    )
    rates = [each["tiles_a_second"] for each in results if "tiles_a_second" in each]
    if rates and "tiles_a_second" in source:
        print(f"which feeds {source['tiles_a_second'] / max(rates):.1f} of the fastest combination")
    if args.json:
        document = {"machine": machine(), "combinations": results, "input": source}
        args.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--cpu", action="store_true", help="try the script without a GPU")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--work", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work is None:
        main(arguments)
    elif arguments.work[0] == "read":
        print(json.dumps(read(arguments.work[1])))
    else:
        _, network, policy, shape, tiles = arguments.work
        print(json.dumps(train(network, policy, shape, int(tiles))))
