"""Tuners at equal epochs on trials with known learning curves, two workers in simulated time.

PYTHONPATH=. python benchmarks/tuner_comparison.py
"""

import argparse
import io
import math
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from statistics import mean, median, quantiles, stdev
from typing import NamedTuple

from scipy import stats

from steelexp.search.search import search
from tests.known_curves import SimulatedExecutor
from tests.known_search import known_spec

TUNERS = {
    "asynchronous_halving": "{name: asynchronous_halving}",
    "random": "{name: random}",
    "bayesian": "{name: bayesian}",
    "hyperband": "{name: hyperband, iterations: 1000}",
}


class Result(NamedTuple):
    """One search.

    Attributes:
        value: True value of the chosen trial.
        trials: Number of trials.
        epochs: Trained epochs.
        hours: Hours until the last trial ended.
        to_target: Hours until the best so far had the target as its true value.
        idle: Share of the workers' time without a trial.
        idle_before: The same up to the start of the last trial.
    """

    value: float
    trials: int
    epochs: int
    hours: float
    to_target: float
    idle: float
    idle_before: float


def run(tuner: str, seed: int, args: argparse.Namespace) -> Result:
    """One search with two workers."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spec = known_spec(
            folder,
            f"search.tuner={TUNERS[tuner]}",
            f"search.seed={seed}",
            "search.trials=null",
            f"search.epochs={args.epochs}",
            f"training.epochs={args.full}",
        )
        executor = SimulatedExecutor(spec, args.workers)
        with redirect_stdout(io.StringIO()):
            search(spec, folder / "search", executor, digest="data")
    return Result(
        executor.chosen[-1][1],
        executor.trials,
        executor.epochs,
        executor.clock / 3600,
        executor.seconds_to(args.target) / 3600,
        executor.idle_share,
        executor.idle_share_before_last_start,
    )


def line(tuner: str, results: list[Result], halving: list[Result]) -> str:
    """A row of the table: medians over the seeds, and the quartiles of the value.

    Args:
        tuner: Name of the tuner.
        results: Its searches, by seed.
        halving: Those of asynchronous halving, by seed.
    """
    values = [result.value for result in results]
    low, _, high = quantiles(values, n=4)
    reached = sum(math.isfinite(result.to_target) for result in results)
    hours = median(result.to_target for result in results)
    cells = (
        tuner,
        f"{median(values):.3f}",
        f"{low:.3f} to {high:.3f}",
        f"{min(values):.3f}",
        difference(values, [result.value for result in halving]),
        f"{median(result.trials for result in results):.0f}",
        f"{median(result.epochs for result in results):.0f}",
        f"{hours:.1f}" if math.isfinite(hours) else "never",
        f"{reached} of {len(results)}",
        f"{median(result.hours for result in results):.1f}",
        f"{100 * median(result.idle for result in results):.1f} %",
        f"{100 * median(result.idle_before for result in results):.1f} %",
    )
    return f"| {' | '.join(cells)} |"


def difference(values: list[float], others: list[float]) -> str:
    """Mean paired difference with its 95 % interval, by Student's t."""
    if values == others:
        return ""
    deltas = [mine - theirs for mine, theirs in zip(values, others, strict=True)]
    half = stats.t.ppf(0.975, len(deltas) - 1) * stdev(deltas) / math.sqrt(len(deltas))
    return f"{mean(deltas):+.3f} ({mean(deltas) - half:+.3f} to {mean(deltas) + half:+.3f})"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=540, help="epochs of a search")
    parser.add_argument("--full", type=int, default=27, help="epochs of a full training")
    parser.add_argument("--target", type=float, default=0.95, help="true value to reach")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    titles = (
        "tuner",
        "true value",
        "quartiles",
        "worst",
        "mean, less asynchronous halving",
        "trials",
        "epochs",
        f"hours to {args.target:g}",
        "reached",
        "hours",
        "idle",
        "idle before the last start",
    )
    print(f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}")
    halving: list[Result] = []
    for tuner in TUNERS:
        results = [run(tuner, seed, args) for seed in range(args.seeds)]
        halving = halving or results
        print(line(tuner, results, halving), flush=True)


if __name__ == "__main__":
    main()
