"""Searches with two workers whose trials take their time and look their score up.

A module of its own, without pytest: workers import it, and it is a driver to be killed.
"""

import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from steelexp.plan import SpecModel
from steelexp.records.store import Epoch, RunFolder
from steelexp.search.attempts import PATIENCE
from steelexp.search.executor import Executor, Outcome, Trial
from steelexp.search.process_executor import ProcessExecutor
from steelexp.search.ray_executor import RayExecutor
from steelexp.search.search import search
from steelexp.spec import load
from tests.fake_trials import note
from tests.known_search import known_trial

EPOCHS = 4


def unhurried(trial: Trial, spec_file: Path, folder: Path) -> Outcome:
    """A trial of the known search, in epochs of 0.2 s from the last one on."""
    run = RunFolder(folder / "trials" / trial.id / "x")
    with run.hold():
        note(run, "started")
        earlier = inherited_epochs(trial, folder)
        if len(run.epochs) < len(earlier):
            run.rewrite_epochs(earlier)
        for number in range(len(run.epochs) + 1, (trial.epochs or EPOCHS) + 1):
            time.sleep(0.2)
            run.append(Epoch(number, number, 0.2, {"score": float(number)}))
    outcome = known_trial(load(spec_file, model=SpecModel))(trial)
    return outcome._replace(trained=outcome.epochs - len(earlier))


def inherited_epochs(trial: Trial, folder: Path) -> Sequence[Epoch]:
    """Epochs of the trial that a trial continues."""
    if trial.continues is None:
        return []
    return RunFolder(folder / "trials" / trial.continues / "x").epochs


def search_with_two(kind: str, spec_file: Path, folder: Path, patience: float = PATIENCE) -> None:
    """Run or resume it with two workers of an executor, ray or processes."""
    work = partial(unhurried, spec_file=spec_file, folder=folder)
    executor: Executor
    if kind == "ray":
        executor = RayExecutor(work, workers=2, patience=patience)
    else:
        executor = ProcessExecutor(work, workers=2, folder=folder, patience=patience)
    try:
        search(load(spec_file, model=SpecModel), folder, executor, digest="data")
    finally:
        executor.close()


if __name__ == "__main__":
    search_with_two(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
