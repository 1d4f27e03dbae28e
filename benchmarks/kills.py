"""Kill a command at random moments, let it go on, and compare what it leaves with one left alone.

    nice python -m benchmarks.kills JOB [--kills 40] [--seed 0] [--work FOLDER] [--only NAME]

JOB is run, predict, export, cache or generate.

Each case of a job is first run undisturbed. Then it is killed (SIGKILL) two to four times in a
folder of its own, begun again each time, at last without a kill, and its files are compared with
the undisturbed ones: names and contents, bit for bit, without times, checks over times, and keys
that Comet draws. Every other kill comes by the clock. The others come at an operation on a file
(open to write, rename, remove, make, truncate, flush), places in turn, so that short phases such as
a checkpoint are met as often as long ones. The table tells in which state the kills left the
folder; the exit code is 1 if anything differs.

The cache lies in the folder of the case, so it is killed too. The data set is the same for all.
"""

import argparse
import importlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.kill_cases import JOBS as RUN_JOBS
from benchmarks.kill_cases import Case, Job
from benchmarks.kill_cases_of_results import RESULT_JOBS

JOBS = RUN_JOBS | RESULT_JOBS

Place = Callable[[str], str]
SIGKILLED = -signal.SIGKILL


class Session(NamedTuple):
    """One process of a command.

    Attributes:
        code: Its exit code; -9 after a kill.
        seconds: Its time by the clock.
        operations: Place of each operation on a file, in order.
    """

    code: int
    seconds: float
    operations: list[str]


def session(
    case: Case,
    folder: Path,
    *,
    after: float | None = None,
    at: tuple[str, int] | None = None,
) -> Session:
    """Run the command in a forked process, in which TensorFlow is imported already.

    Args:
        case: The case.
        folder: Folder to work in.
        after: Seconds until a kill.
        at: Place and number of the operation on a file before which it is killed.
    """
    (folder / "operations.txt").touch()  # a kill may come before the process makes it
    begin = time.monotonic()
    process = os.fork()
    if not process:
        _act(case, folder, at)
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            break
        if after is not None and time.monotonic() - begin > after:
            os.kill(process, signal.SIGKILL)
            after = None
        time.sleep(0.005)
    operations = (folder / "operations.txt").read_text().splitlines()
    return Session(os.waitstatus_to_exitcode(status), time.monotonic() - begin, operations)


def _act(case: Case, folder: Path, at: tuple[str, int] | None) -> None:
    """The child process; it does not return."""
    from steelexp.__main__ import main

    code = 70
    try:
        os.chdir(folder)
        os.environ["STEELEXP_CACHE"] = str(folder / "cache")
        os.environ["STEELEXP_PROBE"] = "off"
        with (folder / "output.txt").open("ab", buffering=0) as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        _watch(folder, at)
        code = main(list(case.words))
    finally:
        os._exit(code)


def _watch(folder: Path, at: tuple[str, int] | None) -> None:
    """Write down each operation on a file, and kill this process before one of them."""
    operations = os.open(folder / "operations.txt", os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
    seen: Counter[str] = Counter()
    root = str(folder) + os.sep
    flush = os.fsync

    def operation(path: str) -> None:
        path = os.path.join(os.getcwd(), path)  # noqa: PTH109, PTH118 - no file is touched
        if not path.startswith(root) or path.endswith(".txt") or "pipe:" in path:
            return
        place = place_of(path.removeprefix(root))
        os.write(operations, f"{place}\n".encode())
        seen[place] += 1
        if at == (place, seen[place]):
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event: str, arguments: Sequence[Any]) -> None:
        writes = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes or event in ("os.rename", "os.remove", "os.mkdir", "os.truncate"):
            path = arguments[1] if event == "os.rename" else arguments[0]
            operation(_path(path))

    def flushed(descriptor: int) -> None:
        operation(_path(descriptor))
        flush(descriptor)

    os.fsync = flushed
    sys.addaudithook(hook)


def _path(file: Any) -> str:
    if isinstance(file, int):
        return str(Path(f"/proc/self/fd/{file}").readlink())  # pipes are no paths
    return os.fsdecode(file)


def place_of(path: str) -> str:
    """The part of a path that tells what is written: runs/tiny/0123/weights/last.h5 -> weights."""
    parts = path.split("/")
    inside = parts[3:] if parts[0] == "runs" else parts[:1]
    place = inside[0] if inside else parts[0]
    return "a file beside" if place.endswith(".partial") else place


def kill_and_go_on(case: Case, folder: Path, alone: Session, draw: random.Random) -> Iterator[str]:
    """Kill a case two to four times, then let it end; yields the state that each kill left.

    Raises:
        RuntimeError: The last session failed.
    """
    places = sorted(set(alone.operations))
    for _ in range(draw.randint(2, 4)):
        if draw.random() < 0.5:
            ran = session(case, folder, after=draw.uniform(0, alone.seconds))
        else:
            place = draw.choice(places)
            number = draw.randint(1, alone.operations.count(place))
            ran = session(case, folder, at=(place, number))
        if ran.code == 0:
            return  # it ended before its kill
        if ran.code != SIGKILLED:
            break
        yield case.state(folder)
    else:
        ran = session(case, folder)
    if ran.code != 0:
        raise RuntimeError(f"{case.name} ended with {ran.code}: {folder / 'output.txt'}")


def differences(expected: Mapping[str, Any], seen: Mapping[str, Any]) -> list[str]:
    """Names of files that only one side has, or whose contents differ."""
    names = sorted({*expected, *seen})
    return [name for name in names if expected.get(name) != seen.get(name)]


def campaign(job: Job, work: Path, kills: int, draw: random.Random, only: str) -> int:
    """Kill until there are enough; print a line for each case and a table; the exit code."""
    cases = [case for case in job(work) if only in case.name]
    alone = {}
    for case in cases:
        folder = work / case.name / "alone"
        folder.mkdir(parents=True)
        case.prepare(folder)
        alone[case.name] = session(case, folder)
        if alone[case.name].code:
            raise RuntimeError(f"{case.name} failed: {folder / 'output.txt'}")
        print(f"{case.name}: undisturbed in {alone[case.name].seconds:.0f} s", flush=True)
    states: Counter[tuple[str, str]] = Counter()
    wrong = 0
    number = 0
    while states.total() < kills:
        case = cases[number % len(cases)]
        folder = work / case.name / f"killed-{number:03d}"
        number += 1
        folder.mkdir()
        case.prepare(folder)
        left = list(kill_and_go_on(case, folder, alone[case.name], draw))
        states.update((case.name, state) for state in left)
        expected = case.contents(work / case.name / "alone")
        unequal = differences(expected, case.contents(folder))
        wrong += bool(unequal)
        verdict = f"DIFFERS in {', '.join(unequal)}" if unequal else f"{len(expected)} files equal"
        print(f"{folder.name} {case.name}: {' | '.join(left)}: {verdict}", flush=True)
        if left and not unequal:
            shutil.rmtree(folder)
    print(f"{states.total()} kills in {number} folders, {wrong} of which differ at the end")
    for (name, state), count in sorted(states.items()):
        print(f"{count:4d}  {name}: {state}")
    return 1 if wrong else 0


def main() -> int:
    """Read the command line and kill."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("job", choices=JOBS)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="empty folder; it is kept")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    args = parser.parse_args()
    draw = random.Random(args.seed)
    from steelexp.lazy import keras

    keras.layers  # noqa: B018 - imports TensorFlow, which every child would import
    for name in ("matplotlib.pyplot", "pyarrow.parquet", "skimage.measure"):
        importlib.import_module(name)
    with tempfile.TemporaryDirectory() as temporary:
        work = (args.work or Path(temporary)).resolve()
        return campaign(JOBS[args.job], work, args.kills, draw, args.only)


if __name__ == "__main__":
    sys.exit(main())
