"""What this machine does best, measured once and kept beside the caches.

Choices that change bits follow from the processor's features (`training.execution`), whatever is
measured here. The measurement decides how freed memory is treated, and reports when a choice from
the features is not the fastest on this machine.
"""

import hashlib
import os
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import metadata
from pathlib import Path
from typing import Final, NamedTuple

from steelexp import __version__
from steelexp.cores import available_cores
from steelexp.data.cache_root import CACHE_FIX, cache_root
from steelexp.errors import UserError, reason
from steelexp.file_lock import file_lock
from steelexp.progress import say
from steelexp.records.machine import processor
from steelexp.records.probe_file import (
    VERSION,
    Allocator,
    Machine,
    ProbeFile,
    Speed,
    read_probe_file,
    write_probe_file,
)
from steelexp.records.source import package_folder
from steelexp.training.execution import execution_here, features_here

VARIABLE: Final = "STEELEXP_PROBE"
"""Variable that switches the measurement off."""

USUAL: Final[Allocator] = "kept"
"""Treatment of freed memory where nothing was measured."""

PLAIN: Final = "plain"
REMAPPER: Final = "fused operations"
FOLDED: Final = "folded decoder"
BFLOAT16: Final = "bfloat16"
SYSTEM: Final = "memory as the system treats it"

_ROUNDS = 5
_SECONDS = 120.0
"""Seconds after which a measurement is given up."""

_MARGIN = 1.05
"""Smallest advantage that counts, and it has to show in every round: the machine may be busy."""


class Form(NamedTuple):
    """A form of computing the small network that is timed.

    Attributes:
        remapper: Whether TensorFlow fuses operations.
        folded: Whether the decoder is folded.
        precision: Type of activations.
    """

    remapper: bool = False
    folded: bool = False
    precision: str = "float32"


FORMS: Final = {
    PLAIN: Form(),
    REMAPPER: Form(remapper=True),
    FOLDED: Form(folded=True),
    BFLOAT16: Form(precision="bfloat16"),
}
"""Forms by name; all but the first differ from it in one thing."""


class Side(NamedTuple):
    """A process that times forms; threads and treatment of memory are set once a process.

    Attributes:
        allocator: Treatment of freed memory.
        threads: Number of threads.
        names: Form -> name of what is timed.
    """

    allocator: Allocator
    threads: int
    names: dict[str, str]


def measure_once() -> None:
    """Measure this machine, unless that is done, switched off, or it has a GPU.

    Two processes at once measure once: the second waits and reads.

    Raises:
        UserError: The variable is neither on nor off.
    """
    if not _is_on() or "gpu" in features_here():
        return
    machine = this_machine()
    path = probe_path(machine)
    if _read(path, machine) is not None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with file_lock(path.with_suffix(".lock")):
            if _read(path, machine) is not None:
                return
            if path.exists():
                say(f"{path}: damaged; this machine is measured again")
            probe = measured(machine)
            write_probe_file(path, probe)
    except OSError as error:
        say(f"{path}: {reason(error)}; {CACHE_FIX}, or {VARIABLE}=off")
        return
    say(*lines(probe, path))


def best_allocator() -> Allocator:
    """The treatment of freed memory that was measured to be the faster one here."""
    if not _is_on():
        return USUAL
    machine = this_machine()
    probe = _read(probe_path(machine), machine)
    return USUAL if probe is None else probe.allocator


def this_machine() -> Machine:
    """What the timings depend on."""
    return Machine(
        processor=processor(),
        features=sorted(features_here()),
        cores=available_cores(),
        tensorflow=metadata.version("tensorflow"),
        steelexp=__version__,
    )


def probe_path(machine: Machine) -> Path:
    """The file about a machine, in the folder of the caches."""
    key = hashlib.sha256(f"{VERSION} {machine.model_dump_json()}".encode()).hexdigest()[:16]
    return cache_root() / f"probe-{key}.json"


def _is_on() -> bool:
    value = os.environ.get(VARIABLE) or "on"
    if value not in ("on", "off"):
        raise UserError(f"{VARIABLE}={value}: set it to on or off")
    return value == "on"


def _read(path: Path, machine: Machine) -> ProbeFile | None:
    """The file about a machine; None where there is none that is whole."""
    try:
        probe = read_probe_file(path)
    except UserError:
        return None
    return probe if probe.machine == machine else None


def measured(machine: Machine) -> ProbeFile:
    """Time every form on this machine; a failure is kept as well, so that it happens once."""
    try:
        speeds = _speeds(sides(machine))
        problem = ""
    except (OSError, ValueError) as error:
        speeds = {}
        problem = str(error)
    system = SYSTEM in speeds and _advantage(speeds[SYSTEM]) is not None
    return ProbeFile(
        machine=machine,
        allocator="system" if system else USUAL,
        speeds=speeds,
        problem=problem,
    )


def lines(probe: ProbeFile, path: Path) -> list[str]:
    """What was measured, and which choice from the features is not the fastest here.

    Args:
        probe: Contents of the file.
        path: The file.
    """
    if probe.problem:
        return [f"{path}: this machine could not be measured: {probe.problem}"]
    speeds = ", ".join(f"{name} {speed.median:.2f}" for name, speed in probe.speeds.items())
    first = f"Measured once, {path}: speed of a training step over that of the plain form: {speeds}"
    return [first, *_slow_choices(probe)]


def _slow_choices(probe: ProbeFile) -> Iterator[str]:
    chosen = execution_here()
    choices = {REMAPPER: chosen.remapper, FOLDED: chosen.decoder == "folded"}
    for name, speed in probe.speeds.items():
        if name in (BFLOAT16, SYSTEM):
            continue
        advantage = _advantage(speed, used=choices.get(name, False))
        if advantage is not None:
            yield (
                f"{name}: {'used' if choices.get(name) else 'not used'}, as on every machine with "
                f"{', '.join(probe.machine.features) or 'these features'}, so that their runs have "
                f"the same bits; the other choice is {advantage:.2f} times as fast on this one"
            )


def _advantage(speed: Speed, *, used: bool = False) -> float | None:
    """How much faster the other choice is; None unless it is in every round, by `_MARGIN`.

    Args:
        speed: Speed of a form.
        used: Whether the form is the choice, and not the plain one.
    """
    steady = speed.highest < 1 if used else speed.lowest > 1
    advantage = 1 / speed.median if used else speed.median
    return advantage if steady and advantage > _MARGIN else None


def sides(machine: Machine) -> list[Side]:
    """The processes that measure a machine.

    Args:
        machine: Machine to measure.
    """
    forms = dict.fromkeys(FORMS)
    if not {"amx", "avx512_bf16"} & set(machine.features):
        del forms[BFLOAT16]
    every = [
        Side(USUAL, machine.cores, {form: form for form in forms}),
        Side("system", machine.cores, {PLAIN: SYSTEM}),
    ]
    if _shares_cores() and machine.cores > 1:
        half = machine.cores // 2
        every.append(Side(USUAL, half, {PLAIN: f"{half} threads"}))
    return every


def _shares_cores() -> bool:
    """Whether two of the system's cores are threads of one."""
    try:
        return Path("/sys/devices/system/cpu/smt/active").read_text().strip() == "1"
    except OSError:
        return False


def _speeds(every: Sequence[Side]) -> dict[str, Speed]:
    """Speed of each form, in rounds in which they take turns.

    Raises:
        ValueError: A process failed.
        OSError: A process could not be started.
    """
    rounds: list[dict[str, float]] = []
    with ExitStack() as stack:
        processes = [stack.enter_context(_process(side)) for side in every]
        for _ in range(_ROUNDS):
            seconds: dict[str, float] = {}
            for side, process in zip(every, processes, strict=True):
                seconds |= {name: _seconds(process, form) for form, name in side.names.items()}
            rounds.append(seconds)
    others = [name for name in rounds[0] if name != PLAIN]
    ratios = {name: [seconds[PLAIN] / seconds[name] for seconds in rounds] for name in others}
    return {name: _speed(values) for name, values in ratios.items()}


def _speed(ratios: Sequence[float]) -> Speed:
    median = statistics.median(ratios)
    return Speed(
        median=round(median, 3), lowest=round(min(ratios), 3), highest=round(max(ratios), 3)
    )


@contextmanager
def _process(side: Side) -> Iterator[subprocess.Popen[str]]:
    """A process of `training.probe_sides`, which is ended with the block or after `_SECONDS`."""
    paths = [str(package_folder().parent), os.environ.get("PYTHONPATH", "")]
    process = subprocess.Popen(
        [sys.executable, "-m", "steelexp.training.probe_sides", side.allocator, f"{side.threads}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )
    limit = threading.Timer(_SECONDS, process.kill)
    limit.start()
    try:
        yield process
    finally:
        limit.cancel()
        process.kill()
        process.communicate()


def _seconds(process: subprocess.Popen[str], form: str) -> float:
    """Seconds of a training step.

    Raises:
        ValueError: The process has ended.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(f"{form}\n")
        process.stdin.flush()
    except BrokenPipeError:
        pass
    answer = process.stdout.readline()
    if not answer:
        raise ValueError(f"the process that times {form} ended with exit code {process.wait()}")
    return float(answer)
