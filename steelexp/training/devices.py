"""Training on several devices with the result of one device.

Each device has its share of every batch, and gradients are summed over them. Batch norm and the
loss see the whole batch all the same, so a run on several devices is the run on one up to rounding:
`training.batch_size` means what it says, losses that sum over the batch are exact, and a run may
go on with another number of devices than it began with. Only noise that a network draws while it
trains (dropout) is drawn anew.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from steelexp.errors import UserError
from steelexp.lazy import Tensor, keras, tf


def strategy(
    devices: Literal["one", "all"], *, workers: int = 1, batches: Sequence[tuple[int, int]]
) -> Any:
    """How TensorFlow divides a training; a model is built and compiled in its `variable_scope`.

    Args:
        devices: One device, or all GPUs; without a GPU, all logical CPUs, which is one unless
            TensorFlow is configured otherwise.
        workers: Processes that train together, each with one device; TF_CONFIG says where.
        batches: Tiles a step, on all devices together, and tiles an epoch, of each phase.

    Returns:
        A tf.distribute.Strategy.

    Raises:
        UserError: the batches cannot be shared.
    """
    if workers > 1:
        return _of_workers(devices, workers, batches)
    devices_here = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if devices == "one" or len(devices_here) == 1:
        return tf.distribute.get_strategy()
    _check_shares(batches, len(devices_here), "training.devices=one")
    keras.backend.clear_session()  # inside the scope it would end it
    return tf.distribute.MirroredStrategy([device.name for device in devices_here])


def _of_workers(devices: str, workers: int, batches: Sequence[tuple[int, int]]) -> Any:
    if devices == "all":
        raise UserError(
            "training.devices: all with training.workers: each worker has one GPU; take "
            "training.devices=one and a worker for each GPU"
        )
    if "TF_CONFIG" not in os.environ:
        raise UserError(
            f"training.workers: {workers}: there is one process here; a trial of a search trains "
            "in one, with training.workers=1"
        )
    _check_shares(batches, workers, "training.workers=1")
    keras.backend.clear_session()  # as above
    return tf.distribute.MultiWorkerMirroredStrategy()


def _check_shares(batches: Sequence[tuple[int, int]], devices: int, instead: str) -> None:
    for batch_size, tiles in batches:
        _check_share(batch_size, tiles, devices, instead)


def _check_share(batch_size: int, tiles: int, devices: int, instead: str) -> None:
    problem = _problem(batch_size, tiles, devices)
    if problem is None:
        return
    multiples = range(devices, batch_size * 2 + devices, devices)
    fitting = [size for size in multiples if _problem(size, tiles, devices) is None]
    nearest = sorted(sorted(fitting, key=lambda size: abs(size - batch_size))[:2])
    raise UserError(
        f"training.batch_size: {batch_size} for {devices} devices: {problem}; "
        f"take {' or '.join(map(str, nearest))}, or {instead}"
    )


def _problem(batch_size: int, tiles: int, devices: int) -> str | None:
    """Why batches cannot be shared so that every device has a tile of each."""
    if rest := batch_size % devices:
        return f"{rest} tiles of each batch are left over"
    if 0 < (last := tiles % batch_size) < devices:
        return f"the last batch of {tiles} tiles has {last}"
    return None


@contextmanager
def variable_scope(distribution: Any) -> Iterator[None]:
    """The scope in which a model is built and compiled.

    Batch norm's moving statistics are the same on all devices (see `synchronize`). TensorFlow takes
    their mean at every reading, with a collective operation in which every worker has to take part.
    Here the first device's are read: only training steps need all workers, so that one of them may
    evaluate and save alone.
    """

    def first_for_mean(create: Callable[..., Any], **settings: Any) -> Any:
        if settings.get("aggregation") == tf.VariableAggregation.MEAN:
            settings["aggregation"] = tf.VariableAggregation.ONLY_FIRST_REPLICA
        return create(**settings)

    with distribution.scope():
        if distribution.num_replicas_in_sync == 1:
            yield
            return
        with tf.variable_creator_scope(first_for_mean):
            yield


def split_batches(batches: Any, distribution: Any) -> Any:
    """Each batch in shares, one for each device.

    Shares of the last batch may differ by one. Each machine reads the whole batch and
    keeps its own, because augmentation draws for a batch as a whole.

    On several devices `fit` still returns up to 20 s after its last step: TensorFlow wraps the
    dataset in one iterator for each device, and their autotuners cannot be switched off.

    Args:
        batches: tf.data.Dataset of (grey [B, h, w, 1], bits [B, h, w, 1]).
        distribution: Distribution strategy of TensorFlow.

    Returns:
        A dataset for `fit`, which needs `steps_per_epoch` with it.
    """
    devices = distribution.num_replicas_in_sync
    if devices == 1:
        return batches

    def of_a_machine(machine: Any) -> Any:
        here = devices // machine.num_input_pipelines
        first = machine.input_pipeline_id * here
        numbers = tf.data.Dataset.range(first, first + here, output_type=tf.int32)

        def shares(grey: Tensor, bits: Tensor) -> Any:
            total = tf.shape(grey)[0]

            def share(number: Tensor) -> tuple[Tensor, Tensor]:
                begin = number * total // devices
                end = (number + 1) * total // devices
                return grey[begin:end], bits[begin:end]

            return numbers.map(share)

        return batches.flat_map(shares)

    return distribution.distribute_datasets_from_function(of_a_machine)


def gather_batch(values: Tensor) -> Tensor:
    """The share of a batch, [b, ...] float, -> the batch, [B, ...]; its gradient finds its way."""
    device = tf.distribute.get_replica_context()
    if device is None or device.num_replicas_in_sync == 1:
        return values
    return device.all_gather(values, axis=0)


def synchronize(model: Any) -> None:
    """Let batch norm see the whole batch where a model is on several devices.

    Its moving variance is then the batch's own, where TensorFlow's fused kernel takes n / (n - 1)
    times that, n pixels a channel: a thousandth for the smallest maps of 16 tiles of 256 x 256.
    """
    if model.distribute_strategy.num_replicas_in_sync == 1:
        return
    for part in model.submodules:  # the layers of networks inside the network among them
        if isinstance(part, keras.layers.BatchNormalization):
            part.synchronized = True
            part.fused = False
