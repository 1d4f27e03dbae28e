"""Samples of what the machine does while a run trains, taken by a thread of the training process.

Named as Comet names its own, so that its panel of system metrics shows them. A sample takes less
than a millisecond, and that of the GPUs is waited for by the thread alone.
"""

import logging
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

LOGGER = logging.getLogger(__name__)

SAMPLES_AT_A_PACE: Final = 500
"""Samples after which the interval doubles."""

MOST_SAMPLES: Final = 5000
"""Most samples of a run; at 30 s they reach beyond a hundred days."""

GPU_SECONDS: Final = 10.0
"""Longest time to wait for nvidia-smi."""

_GPU_FIELDS: Final = {
    "utilization.gpu": ("gpu_utilization", 1),
    "memory.used": ("used_memory", 1 << 20),
    "memory.total": ("total_memory", 1 << 20),
    "temperature.gpu": ("temperature", 1),
    "power.draw": ("power_usage", 1000),
}
"""Field of nvidia-smi -> Comet's name, and the factor to its unit: bytes, °C, mW."""


def interval(count: int, seconds: float) -> float:
    """Seconds until the next sample: they double after each `SAMPLES_AT_A_PACE`.

    Args:
        count: Samples of the run so far.
        seconds: Seconds between the first samples.
    """
    return seconds * float(2 ** (count // SAMPLES_AT_A_PACE))


class Ticks(NamedTuple):
    """Time of all processors since the machine was started, in ticks of the kernel.

    Attributes:
        busy: Time in which they worked.
        total: All time.
    """

    busy: int
    total: int


def read_ticks(file: Path = Path("/proc/stat")) -> Ticks | None:
    """Time of the processors so far; None where the system does not tell.

    Source: proc_stat(5): user, nice, system, idle, iowait, irq, softirq, steal.
    """
    try:
        ticks = [int(word) for word in file.read_text().split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return None
    return Ticks(sum(ticks) - sum(ticks[3:5]), sum(ticks))


def processor_use(before: Ticks | None, now: Ticks | None) -> dict[str, float]:
    """Share of the processors' time between two moments in which they worked, in percent."""
    if before is None or now is None or now.total <= before.total:
        return {}
    share = (now.busy - before.busy) / (now.total - before.total)
    return {"sys.cpu.percent.avg": round(100 * share, 2)}


def memory_use(file: Path = Path("/proc/meminfo")) -> dict[str, float]:
    """Memory of the machine in bytes; empty where the system does not tell.

    Source: proc_meminfo(5), in KiB.
    """
    try:
        lines = (line.split() for line in file.read_text().splitlines())
        fields = {words[0]: 1024.0 * int(words[1]) for words in lines}
        total = fields["MemTotal:"]
        used = total - fields["MemAvailable:"]
    except (OSError, ValueError, KeyError, IndexError):
        return {}
    percent = round(100 * used / total, 2)
    return {"sys.ram.total": total, "sys.ram.used": used, "sys.ram.percent.used": percent}


def disk_use(folder: Path) -> dict[str, float]:
    """Bytes in use on the disk of a folder; it is Comet's root disk here."""
    try:
        disk = shutil.disk_usage(folder)
    except OSError:
        return {}
    percent = round(100 * disk.used / disk.total, 2) if disk.total else 0.0
    return {"sys.disk.root.used": float(disk.used), "sys.disk.root.percent.used": percent}


def gpu_use() -> dict[str, float]:
    """Use of each GPU by nvidia-smi; empty where there is none or it does not answer."""
    if (program := shutil.which("nvidia-smi")) is None:
        return {}
    command = [program, f"--query-gpu={','.join(_GPU_FIELDS)}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=GPU_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return {}
    return parse_gpus(done.stdout) if done.returncode == 0 else {}


def parse_gpus(text: str) -> dict[str, float]:
    """What nvidia-smi says, a line a GPU; fields that a GPU does not have are left out."""
    values = {}
    for number, line in enumerate(text.splitlines()):
        for cell, (name, factor) in zip(line.split(","), _GPU_FIELDS.values(), strict=False):
            try:
                values[f"sys.gpu.{number}.{name}"] = float(cell) * factor
            except ValueError:  # "[N/A]"
                continue
    return values


class Sampler:
    """Takes samples in a thread until it is stopped.

    Args:
        folder: Folder on the disk of interest.
        seconds: Seconds between the first samples.
        count: Samples that an earlier session of the run has taken.
        note: Function that takes the number of a sample, from 1, and its values; called by the
            thread.
    """

    def __init__(
        self,
        folder: Path,
        seconds: float,
        count: int,
        note: Callable[[int, Mapping[str, float]], None],
    ) -> None:
        self._folder = folder
        self._seconds = seconds
        self._count = count
        self._note = note
        self._stopped = threading.Event()
        threading.Thread(target=self._run, name="machine use", daemon=True).start()

    def stop(self) -> None:
        """Take no further sample; one in progress may still be noted."""
        self._stopped.set()

    def _run(self) -> None:
        try:
            before = read_ticks()
            while self._count < MOST_SAMPLES:
                if self._stopped.wait(interval(self._count, self._seconds)):
                    return
                now = read_ticks()
                rest = {**memory_use(), **disk_use(self._folder), **gpu_use()}
                values = {**processor_use(before, now), "sys.load.avg": os.getloadavg()[0], **rest}
                before = now
                self._count += 1
                self._note(self._count, values)
        except Exception as error:  # the run must not fail with its tracking
            LOGGER.warning("No further samples of the machine: %s (the run is not affected)", error)
