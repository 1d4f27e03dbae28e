"""The machine a run trains on: memory, threads, precision, seeds."""

import contextlib
import ctypes
import platform
import resource

from steelexp.cores import available_cores
from steelexp.lazy import keras, tf
from steelexp.metric_names import PEAK_GPU_MEMORY, PEAK_MEMORY
from steelexp.progress import say
from steelexp.training.execution import Execution
from steelexp.training.probe import best_allocator

# Numbers of glibc's <malloc.h>.
_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_MAX = -4


def prepare(*, seed: int, precision: str, execution: Execution) -> str:
    """Set up TensorFlow for one run.

    Args:
        seed: Seed of Python, NumPy and TensorFlow.
        precision: Policy of Keras: float32, mixed_float16 or mixed_bfloat16.
        execution: Choices of TensorFlow's computation.

    Returns:
        The device in words: "CPU, 2 cores" or the GPU's name.
    """
    if best_allocator() == "kept":
        keep_memory()
    gpus = tf.config.list_physical_devices("GPU")
    with contextlib.suppress(RuntimeError):  # pools and devices are made once a process
        tf.config.threading.set_intra_op_parallelism_threads(execution.threads)
        tf.config.threading.set_inter_op_parallelism_threads(2)
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
    _report_other_threads(execution.threads)
    tf.config.optimizer.set_experimental_options({"remapping": execution.remapper})
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(seed)
    keras.mixed_precision.set_global_policy(precision)
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        return str(details.get("device_name", "GPU"))
    return f"CPU, {available_cores()} cores"


def _report_other_threads(threads: int) -> None:
    """Say it if an earlier run of this process has started another number of threads."""
    started = tf.config.threading.get_intra_op_parallelism_threads()
    if started not in (0, threads):
        say(
            f"TensorFlow computes with {started} threads, which an earlier run of this process has "
            f"started; this run has {threads}, and its last digits may differ"
        )


def keep_memory() -> None:
    """Tell glibc to keep freed memory: a training step asks for the same large blocks again.

    Returning them to the kernel and faulting them in anew cost 2.4 s against 1.9 s a step of a
    mobilenet U-Net, batch 8, 256 x 256, on 2 cores.

    What an earlier run of this process has left is returned first. Blocks of other sizes would come
    on top of it: 40 trainings of other networks in one process left 9 GB.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.malloc_trim(0)
    libc.mallopt(_M_MMAP_MAX, 0)
    libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    libc.mallopt(_M_TOP_PAD, 256 * 2**20)


def peak_memory() -> dict[str, float]:
    """The most memory that this process has held so far, in GiB.

    Returns:
        "peak_memory_gib", resident in the machine's memory; "peak_gpu_memory_gib", the most that
        TensorFlow held on one GPU, where there is one.
    """
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak = {PEAK_MEMORY: round(kib / (1 << 20), 3)}
    devices = [f"GPU:{number}" for number in range(len(tf.config.list_logical_devices("GPU")))]
    if devices:
        gpu_peaks = [tf.config.experimental.get_memory_info(device)["peak"] for device in devices]
        peak[PEAK_GPU_MEMORY] = round(max(gpu_peaks) / (1 << 30), 3)
    return peak
