"""How often a setting that decides nearly everything is shown to matter, by number of trials.

PYTHONPATH=. python benchmarks/importance_power.py
"""

import argparse
import tempfile
import time
from pathlib import Path

from analysis.searches.search_trials import read_search
from analysis.searches.setting_importance import importances
from tests.simulated_searches import random_search, write_search

RATE = "optimizer.learning_rate"


def findings_of(trials: int, seed: int) -> tuple[bool, bool]:
    """Whether the learning rate is shown to matter, and whether anything else wrongly is."""
    with tempfile.TemporaryDirectory() as folder:
        search = read_search(write_search(Path(folder), random_search(trials, seed=seed)))
    rows = importances(search).settings
    return (
        any(row.shown for row in rows if row.path == RATE),
        any(row.shown for row in rows if row.path in {"training.batch_size", "loss.gamma"}),
    )


def main() -> None:
    """Print a line for each number of trials."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, nargs="+", default=[14, 30])
    parser.add_argument("--searches", type=int, default=30)
    args = parser.parse_args()
    for trials in args.trials:
        began = time.monotonic()
        findings = [findings_of(trials, seed) for seed in range(args.searches)]
        hits, false = (sum(column) for column in zip(*findings, strict=True))
        print(
            f"{trials} trials: the learning rate is shown in {hits} of {args.searches} searches, "
            f"a setting that does nothing in {false}; {time.monotonic() - began:.0f} s"
        )


if __name__ == "__main__":
    main()
