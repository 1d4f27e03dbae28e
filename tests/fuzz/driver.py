"""Fuzz readers for as long as one likes: python -m tests.fuzz --seconds 300 [NAME ...].

Each target runs in a process of its own, with a limit of its memory. An input that crashes it, or
takes over a minute, is kept in the folder of findings, as is one that raises.
"""

import argparse
import faulthandler
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.checks import check, examples
from tests.fuzz.targets import TARGETS

MEMORY = 12 * 2**30
HANG = 60.0
ROUND = 200  # examples until the clock is looked at


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz the targets one by one; 1 if there is a finding."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each target")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32)
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"))
    args = parser.parse_args(arguments)
    if unknown := [name for name in args.names if name not in TARGETS]:
        parser.error(f"unknown targets: {', '.join(unknown)}")
    os.environ["STEELEXP_CACHE"] = tempfile.mkdtemp()
    os.environ["STEELEXP_PROBE"] = "off"
    found = [_fuzz(name, args) for name in args.names or TARGETS]
    return int(any(found))


def _fuzz(name: str, args: argparse.Namespace) -> bool:
    """Fuzz one target in a process of its own; whether there is a finding."""
    args.findings.mkdir(parents=True, exist_ok=True)
    place = args.findings / name
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_work, args=(name, args.seconds, args.seed, place))
    process.start()
    heart = Path(f"{place}.input")
    begin = time.time()
    while process.is_alive():
        process.join(1.0)
        last = heart.stat().st_mtime if heart.is_file() else begin + 60
        if time.time() - last > HANG:
            process.kill()
            process.join()
    state = Path(f"{place}.json")
    outcome = json.loads(state.read_text()) if state.is_file() else {"examples": "?", "error": ""}
    state.unlink(missing_ok=True)
    if process.exitcode:
        outcome["error"] = outcome["error"] or f"ended with {process.exitcode}: see {heart}"
    elif not outcome["error"]:
        heart.unlink(missing_ok=True)
    result = outcome["error"] or "no finding"
    seconds = time.time() - begin
    sys.stdout.write(f"{name}: {outcome['examples']} examples, {seconds:.0f} s, {result}\n")
    sys.stdout.flush()
    return bool(outcome["error"])


def _work(name: str, seconds: float, first: int, place: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    faulthandler.enable()
    target = TARGETS[name]
    strategy = examples(target)
    heart = Path(f"{place}.input")
    until = time.monotonic() + seconds
    count = 0
    error = ""

    def read(content: bytes) -> None:
        nonlocal count
        count += 1
        heart.write_bytes(content)  # what a crash leaves
        check(target, content)

    number = first
    while time.monotonic() < until and not error:
        number += 1
        run = given(strategy)(read)
        run = seed(number)(
            settings(
                max_examples=ROUND,
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )(run)
        )
        try:
            run()
        except Exception:
            error = traceback.format_exc()
            Path(f"{place}.txt").write_text(error, errors="backslashreplace")
            error = error.strip().splitlines()[-1][:300]
    Path(f"{place}.json").write_text(json.dumps({"examples": count, "error": error}))
