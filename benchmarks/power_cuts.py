"""Cut the power of a command at random moments, in simulation, and let it go on.

    nice python -m benchmarks.power_cuts [--cuts 30] [--seed 0] [--work FOLDER] [--only NAME]

Each case of benchmarks/kills.py's jobs run and predict is run once while its writes, renames and
fsyncs are recorded (tests/power_cuts.py). Each cut leaves what a disk may hold after a power cut:
what was not written through is lost, kept, or kept by half. The command then goes on in a new
folder with that, and its files are compared with the undisturbed ones, as in kills.py. The exit
code is 1 if anything differs.
"""

import argparse
import os
import pickle
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.kill_cases import Case, run_cases
from benchmarks.kill_cases_of_results import predict_cases
from benchmarks.kills import differences, session
from tests.power_cuts import Trace, record

PLACES = {"run": "runs", "predict": "out"}
"""Command -> folder that it writes."""


def trace_of(case: Case, folder: Path) -> Trace:
    """The steps of a command on the disk, which it makes in a forked process.

    Raises:
        RuntimeError: The command failed.
    """
    steps = folder / "steps.pickle"
    process = os.fork()
    if not process:
        _act(case, folder, steps)
    _, status = os.waitpid(process, 0)
    if status:
        raise RuntimeError(f"{case.name} failed: {folder / 'output.txt'}")
    trace: Trace = pickle.loads(steps.read_bytes())
    return trace


def _act(case: Case, folder: Path, steps: Path) -> None:
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
        with record(folder / PLACES[case.words[0]]) as trace:
            code = main(list(case.words))
        steps.write_bytes(pickle.dumps(trace))
    finally:
        os._exit(code)


def cases(work: Path, only: str) -> Iterator[Case]:
    """The cases whose name contains a text; not those whose second process is not recorded."""
    runs = work / "of_runs"
    predictions = work / "of_predictions"
    for folder in (runs, predictions):
        folder.mkdir(parents=True)
    every = [*run_cases(runs), *predict_cases(predictions)]
    yield from (case for case in every if only in case.name and case.name != "tracked")


def campaign(work: Path, cuts: int, seed: int, only: str) -> int:
    """Cut until there are enough; print a line for each cut; the exit code."""
    every = list(cases(work, only))
    traces = {}
    for case in every:
        folder = work / case.name / "alone"
        folder.mkdir(parents=True)
        traces[case.name] = trace_of(case, folder)
        print(f"{case.name}: {len(traces[case.name].steps)} steps on the disk", flush=True)
    places = random.Random(seed)
    draw = np.random.default_rng(seed)
    wrong: Counter[str] = Counter()
    for number in range(cuts):
        case = every[number % len(every)]
        trace = traces[case.name]
        cut = trace.cut(places.randint(1, len(trace.steps)), draw)
        folder = work / case.name / f"cut-{number:03d}"
        cut.restore(folder / PLACES[case.words[0]])
        folder.mkdir(exist_ok=True)
        ended = session(case, folder)
        unequal = differences(case.contents(work / case.name / "alone"), case.contents(folder))
        wrong[case.name] += bool(unequal or ended.code)
        verdict = f"ended with {ended.code}; " if ended.code else ""
        verdict += f"DIFFERS in {', '.join(unequal)}" if unequal else "all files equal"
        print(f"{folder.name} {case.name}, after {cut.after}: {verdict}", flush=True)
        if not unequal and not ended.code:
            shutil.rmtree(folder)
    print(f"{cuts} cuts, {wrong.total()} of which differ at the end")
    return 1 if wrong.total() else 0


def main() -> int:
    """Read the command line and cut."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--cuts", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="empty folder; it is kept")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = (args.work or Path(temporary)).resolve()
        return campaign(work, args.cuts, args.seed, args.only)


if __name__ == "__main__":
    sys.exit(main())
