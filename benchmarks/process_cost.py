"""What a command costs: seconds, processor time, peak memory of its process and all below it.

Memory is read from /proc ten times a second. "Own" memory is what no file backs: Python, arrays,
TensorFlow. "Mapped" memory is pages of files, such as the cache of decoded images; the kernel takes
them back when others need memory.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

POLL_SECONDS = 0.1
MIB = 2**20


class Cost(NamedTuple):
    """What a command cost.

    Attributes:
        seconds: Seconds by the clock.
        cpu_seconds: Seconds of processor time, of the process and those that it waited for.
        own_mib: Peak of the memory that no file backs, all processes together.
        mapped_mib: Peak of the memory that files back.
        foreign_load: Processors that all other processes kept busy, a mean.
        code: Exit code.
    """

    seconds: float
    cpu_seconds: float
    own_mib: float
    mapped_mib: float
    foreign_load: float
    code: int


def cost_of(
    command: Sequence[str], log: Path | None = None, environment: dict[str, str] | None = None
) -> Cost:
    """Run a command to its end.

    Args:
        command: The command.
        log: File that gets its output; discarded without.
        environment: Environment variables to set.
    """
    busy = _busy_seconds()
    started = time.perf_counter()
    used = os.times()
    with (log or Path(os.devnull)).open("ab") as stream:
        process = subprocess.Popen(
            command,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
        )
        peaks = [0, 0]
        while process.poll() is None:
            now = _memory(process.pid)
            peaks = [max(pair) for pair in zip(peaks, now, strict=True)]
            time.sleep(POLL_SECONDS if time.perf_counter() - started > 1 else POLL_SECONDS / 20)
    seconds = time.perf_counter() - started
    after = os.times()
    cpu = after.children_user - used.children_user + after.children_system - used.children_system
    foreign = max(0.0, _busy_seconds() - busy - cpu) / seconds
    own, mapped = (peak / MIB for peak in peaks)
    return Cost(seconds, cpu, own, mapped, foreign, process.returncode)


def disk_bytes(path: Path) -> int:
    """Bytes that a file, or a folder with all that it holds, takes on the disk."""
    if not path.exists():
        return 0
    words = subprocess.run(["du", "-s", "-B1", str(path)], capture_output=True, check=True).stdout
    return int(words.split()[0])


def _memory(pid: int) -> tuple[int, int]:
    """Own and mapped bytes of a process and all below it, at this moment."""
    own = 0
    mapped = 0
    for each in _tree(pid):
        try:
            lines = Path(f"/proc/{each}/status").read_text().splitlines()
        except OSError:  # it has just ended
            continue
        values = dict(line.split(":", 1) for line in lines if ":" in line)
        own += _bytes(values.get("RssAnon")) + _bytes(values.get("RssShmem"))
        mapped += _bytes(values.get("RssFile"))
    return own, mapped


def _tree(pid: int) -> list[int]:
    pids = [pid]
    for each in pids:
        for thread in Path(f"/proc/{each}/task").glob("*/children"):
            try:
                pids += map(int, thread.read_text().split())
            except OSError:
                continue
    return pids


def _bytes(text: str | None) -> int:
    return int(text.split()[0]) * 1024 if text else 0


def _busy_seconds() -> float:
    """Processor seconds of all processes since the start of the machine."""
    user, nice, system, _, _, irq, softirq = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8]
    )
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    result = cost_of(sys.argv[1:])
    print(result)
    sys.exit(result.code)
