"""Seconds from the beginning of a trial to its first training step, and where they go.

    python benchmarks/trial_start.py SPEC [key=value ...]

Runs six trials of a search with different learning rates in one process: three whose network is
built anew, as in a process of its own, and three that use the network of the third. The start of a
trial is the time to its first step, and what this step takes longer than the others.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from steelexp import trial
from steelexp.epoch_profile import EpochProfile
from steelexp.plan import SpecModel
from steelexp.search.executor import Trial
from steelexp.spec import load

ANEW = 3
AGAIN = 3


class Steps:
    """The times at which training steps begin."""

    def __init__(self):
        self.times = []
        original = EpochProfile.step_begins

        def step_begins(profile, step):
            self.times.append(time.perf_counter())
            original(profile, step)

        EpochProfile.step_begins = step_begins


def seconds(function, names):
    """Let a function of a module add the seconds of its calls to a dictionary."""
    module, name = function.rsplit(".", 1)
    original = getattr(sys.modules[module], name)

    def timed(*args, **settings):
        began = time.perf_counter()
        try:
            return original(*args, **settings)
        finally:
            names[name] = names.get(name, 0) + time.perf_counter() - began

    setattr(sys.modules[module], name, timed)


def measure(runner, steps, number):
    """Run one trial; return the seconds of its start, of the first step's excess, and of all."""
    steps.times.clear()
    began = time.perf_counter()
    runner(Trial(f"{number:04d}", {"optimizer.learning_rate": 1e-3 * 0.9**number}))
    whole = time.perf_counter() - began
    gaps = [after - before for before, after in zip(steps.times, steps.times[1:], strict=False)]
    excess = gaps[0] - statistics.median(gaps[1:])
    return steps.times[0] - began, excess, whole


def main(words):
    """Print a line for each trial."""
    spec = load(Path(words[0]), ["tracking={name: none}", *words[1:]], model=SpecModel)
    steps = Steps()
    parts = {}
    for function in (
        "steelexp.trial.prepare",
        "steelexp.experiment.network_on_devices",
        "steelexp.experiment._start_or_resume",
    ):
        seconds(function, parts)
    with tempfile.TemporaryDirectory() as folder:
        runner = trial.TrialRunner(spec.model_dump(mode="json"), Path(folder) / "search")
        for number in range(ANEW + AGAIN):
            if number < ANEW:
                trial._MEMORY.forget()
            parts.clear()
            before, excess, whole = measure(runner, steps, number)
            kind = "built anew" if number < ANEW else "used again"
            details = ", ".join(f"{name} {value:.2f}" for name, value in parts.items())
            print(
                f"trial {number}, network {kind}: start {before + excess:.2f} s (to the first step "
                f"{before:.2f}, its excess {excess:.2f}; {details}), whole trial {whole:.2f} s",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
