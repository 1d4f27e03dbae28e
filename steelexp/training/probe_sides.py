"""A process of the probe: times training steps of a small network in several forms.

It reads the name of a form a line and answers with the seconds of a step. A process has one number
of threads and one treatment of freed memory, because TensorFlow and the C library take them once.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from steelexp.lazy import Tensor, tf
from steelexp.model.folded_decoder import convolve_doubled
from steelexp.training.probe import FORMS, Form
from steelexp.training.runtime import keep_memory

# An encoder's block at 64 x 64 and the decoder's stage above it, of a U-Net with few channels.
_KERNELS = {
    "depthwise": (3, 3, 64, 1),
    "pointwise": (1, 1, 64, 64),
    "doubled": (3, 3, 64, 32),
    "skip": (3, 3, 32, 32),
    "last": (3, 3, 32, 16),
}
_BATCH = 2
_SIZE = 64
"""Height and width of the deep tensor."""
_STEPS = 2
"""Steps of a timing."""


def main() -> None:
    """Serve timings until the input ends."""
    allocator, threads = sys.argv[1:]
    if allocator == "kept":
        keep_memory()
    tf.config.threading.set_intra_op_parallelism_threads(int(threads))
    tf.config.threading.set_inter_op_parallelism_threads(2)
    steps: dict[str, Callable[[], Any]] = {}
    for line in sys.stdin:
        name = line.strip()
        tf.config.optimizer.set_experimental_options({"remapping": FORMS[name].remapper})
        if name not in steps:
            steps[name] = training_step(FORMS[name])
            steps[name]()  # TensorFlow builds the graph
        began = time.perf_counter()
        for _ in range(_STEPS):
            steps[name]()
        sys.stdout.write(f"{(time.perf_counter() - began) / _STEPS}\n")
        sys.stdout.flush()


def training_step(form: Form) -> Callable[[], Any]:
    """A function that makes one training step of the small network.

    Args:
        form: Form of computing it.
    """
    tensors = _inputs()
    kernels = _kernels()

    @tf.function  # type: ignore[untyped-decorator]  # TensorFlow has no types
    def step() -> None:
        with tf.GradientTape() as tape:
            output = _network(*tensors, kernels, form)
            loss = tf.reduce_mean(tf.square(tf.cast(output, tf.float32)))
        variables = list(kernels.values())
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(1e-3 * gradient)

    return lambda: step()


def scores(form: Form) -> Tensor:
    """The output of the small network, [B, 2h, 2w, 16] float32, the same in every form."""
    return tf.cast(_network(*_inputs(), _kernels(), form), tf.float32)


def _inputs() -> tuple[Tensor, Tensor]:
    """The deep tensor [B, h, w, 64] and the skip connection [B, 2h, 2w, 32]."""
    draw = np.random.default_rng(1)
    deep = draw.random((_BATCH, _SIZE, _SIZE, 64), np.float32)
    skip = draw.random((_BATCH, 2 * _SIZE, 2 * _SIZE, 32), np.float32)
    return tf.constant(deep), tf.constant(skip)


def _kernels() -> dict[str, Any]:
    draw = np.random.default_rng(2)
    return {
        name: tf.Variable(draw.normal(0, 0.05, shape).astype(np.float32))
        for name, shape in _KERNELS.items()
    }


def _network(deep: Tensor, skip: Tensor, kernels: dict[str, Any], form: Form) -> Tensor:
    """[B, h, w, 64] and [B, 2h, 2w, 32] -> [B, 2h, 2w, 16]."""
    cast = {name: tf.cast(kernel, form.precision) for name, kernel in kernels.items()}
    deep = tf.cast(deep, form.precision)
    skip = tf.cast(skip, form.precision)
    deep = tf.nn.depthwise_conv2d(deep, cast["depthwise"], [1, 1, 1, 1], "SAME")
    deep = _normalized(tf.nn.conv2d(_normalized(deep), cast["pointwise"], 1, "SAME"))
    if form.folded:
        both = convolve_doubled(deep, cast["doubled"])
        both += tf.nn.conv2d(skip, cast["skip"], 1, "SAME")
    else:
        doubled = tf.image.resize(deep, [2 * _SIZE, 2 * _SIZE], "nearest")
        kernel = tf.concat([cast["doubled"], cast["skip"]], axis=2)
        both = tf.nn.conv2d(tf.concat([doubled, skip], axis=3), kernel, 1, "SAME")
    return _normalized(tf.nn.conv2d(_normalized(both), cast["last"], 1, "SAME"))


def _normalized(tensor: Tensor) -> Tensor:
    """Batch norm of training, then ReLU."""
    ones = tf.ones(tensor.shape[-1])
    zeros = tf.zeros(tensor.shape[-1])
    normal, *_ = tf.compat.v1.nn.fused_batch_norm(tensor, ones, zeros, is_training=True)
    return tf.nn.relu(normal)


if __name__ == "__main__":
    main()
