"""Shares of this machine's cores and GPUs for trials side by side."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_NVIDIA = Path("/proc/driver/nvidia/gpus")


def shares(workers: int, cores: int, gpus: Sequence[str]) -> list[dict[str, str]]:
    """Environment variables of each slot: equal shares of the cores and of the GPUs.

    Args:
        workers: Number of slots.
        cores: Number of cores; each slot has at least one.
        gpus: Names of the GPUs; with fewer GPUs than slots, some slots share one.
    """
    threads = {"OMP_NUM_THREADS": str(cores // workers)}
    if not gpus:
        return [threads] * workers
    parts = [gpus[slot::workers] or [gpus[slot % len(gpus)]] for slot in range(workers)]
    return [threads | {"CUDA_VISIBLE_DEVICES": ",".join(part)} for part in parts]


def visible_gpus() -> list[str]:
    """Names of the GPUs that this process may use, without loading TensorFlow or CUDA."""
    names = os.environ.get("CUDA_VISIBLE_DEVICES")
    if names is not None:
        return [name for name in names.split(",") if name not in ("", "-1")]
    count = len(list(_NVIDIA.iterdir())) if _NVIDIA.is_dir() else 0
    return [str(number) for number in range(count)]


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Variables for a process to inherit; libraries read them while they are loaded."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, text in before.items():
            if text is None:
                del os.environ[name]
            else:
                os.environ[name] = text
