"""The seconds of a quickstart that go into noticing damage, beside the seconds of its epochs.

    python benchmarks/damage_cost.py [--epochs 3]

Hashes, checks, fsyncs, second names of checkpoints, the search for values that are not finite, and
the source and git state of the code are timed inside the process: seconds by the clock, within the
outermost of them. What runs once a run, such as git, is told apart from what runs in each epoch.
"""

import argparse
import functools
import importlib
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from steelexp.__main__ import main as steelexp
from steelexp.records.store import run_folders

OF_EACH_EPOCH = {
    "steelexp.checksum": ("hash_bytes", "short_hash", "with_checksum", "without_checksum"),
    "steelexp.records.atomic": ("sync", "sync_open", "give_second_name", "make_folder"),
    "steelexp.model.finiteness": ("check_scores", "check_weights", "not_finite"),
    "steelexp.training.checkpoint": ("copy", "copy_to_run"),
}
OF_A_RUN = {
    "steelexp.records.provenance": ("running_code", "facts", "write_session"),
    "steelexp.privacy": ("public", "public_values"),
}


class Timer:
    """Seconds within functions; a call within another one counts once."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._depth = 0

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed."""

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            self._depth += 1
            begin = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self._depth -= 1
                if not self._depth:
                    spent = time.perf_counter() - begin
                    self.seconds[name] = self.seconds.get(name, 0.0) + spent

        return wrapper


def install(timer: Timer, functions: dict[str, tuple[str, ...]]) -> None:
    """Put timed functions in the place of the others, in every module that has them."""
    for module, names in functions.items():
        for name in names:
            old = getattr(importlib.import_module(module), name)
            new = timer.wrap(f"{module.rpartition('.')[2]}.{name}", old)
            for other in list(sys.modules.values()):
                if getattr(other, "__name__", "").startswith("steelexp"):
                    for key, value in list(vars(other).items()):
                        if value is old:
                            setattr(other, key, new)


def main() -> int:
    """Run a quickstart and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=3)
    epochs = parser.parse_args().epochs
    each_epoch = Timer()
    of_a_run = Timer()
    install(each_epoch, OF_EACH_EPOCH)
    install(of_a_run, OF_A_RUN)
    with tempfile.TemporaryDirectory() as runs:
        spec = Path(__file__).parents[1] / "experiments" / "quickstart.yaml"
        words = [f"training.epochs={epochs}", "--runs", runs]
        if code := steelexp(["run", str(spec), *words]):
            return code
        (folder,) = run_folders(Path(runs))
        seconds = [epoch.seconds for epoch in folder.epochs]
    for title, timer in (("each epoch", each_epoch), ("once a run", of_a_run)):
        for name, spent in sorted(timer.seconds.items(), key=lambda item: -item[1]):
            print(f"{title}: {name} {spent:.3f} s")
    total = sum(each_epoch.seconds.values())
    print(f"epochs: {', '.join(f'{each:.1f}' for each in seconds)} s")
    print(
        f"{total:.3f} s in {epochs} epochs and what is around them, "
        f"{100 * total / sum(seconds):.2f} % of the epochs' seconds; "
        f"{sum(of_a_run.seconds.values()):.3f} s once a run"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
