import subprocess
import sys

import numpy as np
import pytest

from steelexp.cores import available_cores
from steelexp.lazy import keras, tf
from steelexp.training import runtime
from steelexp.training.execution import Execution


@pytest.fixture
def machine(monkeypatch):
    """A function that says which GPUs there are; settings are put back."""
    yield lambda *gpus: monkeypatch.setattr(
        tf.config, "list_physical_devices", lambda kind: list(gpus) if kind == "GPU" else ["CPU:0"]
    )
    keras.mixed_precision.set_global_policy("float32")
    tf.config.optimizer.set_experimental_options({"remapping": False})


def prepare(seed=0, precision="float32", **choices):
    execution = Execution(**{"threads": available_cores()} | choices)
    return runtime.prepare(seed=seed, precision=precision, execution=execution)


def train():
    """Weights of a small network with random weights, dropout and shuffled tiles, trained."""
    draw = np.random.default_rng(0)
    images, targets = draw.random((12, 8, 8, 3), np.float32), draw.random((12, 1), np.float32)
    layers = keras.layers
    model = keras.Sequential(
        [layers.Conv2D(4, 3), layers.Dropout(0.5), layers.Flatten(), layers.Dense(1)]
    )
    model.compile("adam", "mse")
    model.fit(images, targets, batch_size=4, epochs=2, verbose=0)
    return np.concatenate([weights.ravel() for weights in model.get_weights()])


def test_names_the_cores(machine, monkeypatch):
    machine()
    monkeypatch.setattr(runtime, "available_cores", lambda: 2)
    assert prepare() == "CPU, 2 cores"


def test_names_the_gpu_and_takes_its_memory_as_it_is_needed(machine, monkeypatch):
    grown = []
    machine("GPU:0")
    monkeypatch.setattr(
        tf.config.experimental, "get_device_details", lambda gpu: {"device_name": f"Tesla {gpu}"}
    )
    monkeypatch.setattr(
        tf.config.experimental, "set_memory_growth", lambda gpu, on: grown.append((gpu, on))
    )
    monkeypatch.setattr(tf.config.threading, "set_intra_op_parallelism_threads", lambda _: None)
    monkeypatch.setattr(tf.config.threading, "set_inter_op_parallelism_threads", lambda _: None)
    assert prepare() == "Tesla GPU:0"
    assert grown == [("GPU:0", True)]


@pytest.mark.parametrize("remapper", [True, False])
def test_fuses_operations_where_it_is_told_to(machine, remapper):
    machine()
    prepare(remapper=remapper)
    assert tf.config.optimizer.get_experimental_options()["remapping"] is remapper


def test_says_that_other_threads_are_started(machine, monkeypatch, capsys):
    machine()
    monkeypatch.setattr(tf.config.threading, "get_intra_op_parallelism_threads", lambda: 7)
    prepare(threads=7)
    assert capsys.readouterr().out == ""
    prepare(threads=2)
    assert capsys.readouterr().out.startswith("TensorFlow computes with 7 threads, which an earlie")


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_sets_the_precision(machine, precision):
    prepare(precision=precision)
    assert keras.mixed_precision.global_policy().name == precision


def test_a_second_run_in_the_same_process_is_prepared_too(machine):
    tf.constant(1) + 1  # TensorFlow's threads are there from now on
    assert prepare(seed=1) == prepare(seed=2)


def test_the_same_seed_gives_the_same_weights(machine):
    trained = []
    for seed in (3, 3, 4):
        prepare(seed=seed)
        trained.append(train())
    np.testing.assert_array_equal(trained[0], trained[1])
    assert np.abs(trained[0] - trained[2]).max() > 0.01


def test_seeds_python_numpy_and_tensorflow(machine):
    import random

    drawn = []
    for _ in range(2):
        prepare(seed=5)
        drawn.append((random.random(), np.random.rand(), float(tf.random.uniform(()))))  # noqa: NPY002
    assert drawn[0] == drawn[1]


def test_memory_that_is_kept_is_as_good_as_any():
    runtime.keep_memory()
    blocks = [np.full(4_000_000, i, np.float32) for i in range(4)]
    del blocks[::2]
    blocks += [np.full(6_000_000, i, np.float32) for i in range(4, 6)]
    assert [(block.min(), block.max()) for block in blocks] == [(i, i) for i in (1, 3, 4, 5)]


FORGOTTEN = """
import ctypes
from pathlib import Path
from steelexp.training.runtime import keep_memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 >> 20

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
keep_memory()
blocks = [libc.malloc(1 << 20) for _ in range(300)]
for block in blocks:
    ctypes.memset(block, 1, 1 << 20)
last = libc.malloc(1 << 20)
for block in blocks:
    libc.free(block)
kept = resident()
keep_memory()
print(kept, resident())
"""


def test_the_next_run_begins_without_the_memory_of_the_last():
    done = subprocess.run(
        [sys.executable, "-c", FORGOTTEN], capture_output=True, text=True, check=True
    )
    kept, left = map(int, done.stdout.split())
    assert kept > 300
    assert left < 100


def test_memory_is_left_alone_where_there_is_no_glibc(monkeypatch):
    monkeypatch.setattr(runtime.platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(runtime.ctypes, "CDLL", lambda _: pytest.fail("called"))
    runtime.keep_memory()
