"""Trials that train nothing, for engines: each epoch waits for a file and appends a line.

A module of its own, without TensorFlow or pytest: Ray's workers import it.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from steelexp.progress import say
from steelexp.records.store import BusyError, Epoch, RunFolder
from steelexp.search.executor import Executor, Outcome, Trial
from steelexp.search.process_executor import ProcessExecutor
from steelexp.search.ray_executor import RayExecutor


def run_trial(trial: Trial, folder: Path = Path()) -> Outcome:
    """Go on from the last epoch, as a training does.

    Values that it obeys: `gate`: epoch k waits for the file `k` in this folder; `bug`; `suicide`;
    `prints`: a text, on both streams.
    """
    run, wanted = RunFolder(folder / trial.id), trial.epochs or 1
    try:
        with run.hold():
            note(run, "started")
            if "bug" in trial.values:
                raise ZeroDivisionError("a bug in a trial")
            if "prints" in trial.values:
                os.write(2, b"from a library\n")
                say(trial.values["prints"])
            if "suicide" in trial.values:
                os.kill(os.getpid(), signal.SIGKILL)
            earlier = len(run.epochs)
            for number in range(earlier + 1, wanted + 1):
                if "gate" in trial.values:
                    wait_until(Path(trial.values["gate"], str(number)).exists)
                run.append(Epoch(number, number, 0.1, {"score": float(number)}))
    except BusyError:
        note(run, "refused")
        raise
    return Outcome(trial.id, float(wanted), None, wanted, wanted, wanted - earlier, 0.1, trial.id)


def note(run: RunFolder, event: str) -> None:
    """Add who did what to events.jsonl of a run folder."""
    entry = {
        "event": event,
        "pid": os.getpid(),
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "cache": os.environ.get("STEELEXP_CACHE"),
        "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "tensorflow": "tensorflow" in sys.modules,
    }
    with (run.path / "events.jsonl").open("a") as file:
        file.write(json.dumps(entry) + "\n")


def events(folder: Path) -> list[dict[str, object]]:
    """What `note` wrote."""
    file = folder / "events.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []


def alive(pid: int) -> bool:
    """Whether a process is there and no mere zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait until something holds.

    Raises:
        TimeoutError: It does not in time.
    """
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"not within {seconds:g} s")
        time.sleep(0.02)


def wait_for_epoch(folder: Path) -> None:
    """Until a run folder has a whole epoch; its file is made before the first line is written."""
    lines = folder / "epochs.jsonl"
    wait_until(lambda: lines.is_file() and lines.read_bytes().endswith(b"\n"))


def drive(arguments: Sequence[str]) -> None:
    """A search's driver: two gated trials of three epochs; in processes, or on Ray's address."""
    folder, address = Path(arguments[0]), (arguments[1:] or [None])[0]
    executor: Executor
    if address == "processes":
        executor = ProcessExecutor(run_trial, workers=2, folder=folder / "output")
    else:
        executor = RayExecutor(run_trial, workers=2, address=address)
    for name in ("0000", "0001"):
        executor.submit(Trial(name, {"gate": str(folder)}, 3, None))
    for _ in range(2):
        executor.next()


if __name__ == "__main__":
    drive(sys.argv[1:])
