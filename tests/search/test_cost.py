"""What a search costs beside its trials, and what a Gaussian process is worth."""

import os
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import mean

import pytest

from steelexp.progress import say
from tests.known_search import known_spec, searched, trials_of


def best_so_far(tmp_path: Path, tuner: str, seed: int, trials: int) -> float:
    given = (f"search.tuner.name={tuner}", f"search.seed={seed}", f"search.trials={trials}")
    best = searched(known_spec(tmp_path, *given), tmp_path / f"{tuner}-{seed}")
    assert best.outcome is not None
    assert best.outcome.score is not None
    return best.outcome.score


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_bayesian_beats_random_at_equal_trials(tmp_path: Path) -> None:
    pairs = [
        tuple(best_so_far(tmp_path, tuner, seed, 20) for tuner in ("bayesian", "random"))
        for seed in range(20)
    ]
    bayesian, random = map(mean, zip(*pairs, strict=True))
    won = sum(ours > theirs for ours, theirs in pairs)
    say(f"best of 20 trials, mean of 20 seeds: {bayesian:.4f} and {random:.4f}; won {won} of 20")
    assert bayesian > random + 0.02
    assert won >= 15  # of 20: a coin does so in 2 % of cases


def resident() -> float:
    """Megabytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("tuner", ["random", "bayesian"])
def test_five_hundred_trials(tmp_path: Path, tuner: str) -> None:
    # A process of its own: what other tests left in memory would count as growth.
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        cpu, wall, grown = process.submit(cost_of_a_trial, tmp_path, tuner).result()
    say(f"{tuner}: {wall:.3f} s a trial ({cpu:.3f} s of a core), {grown:.1f} MB more")
    assert len(trials_of(tmp_path / "s")) == 500
    assert cpu < 2.0
    assert grown < 50


def cost_of_a_trial(tmp_path: Path, tuner: str) -> tuple[float, float, float]:
    """Seconds of a core and of the clock a trial, and megabytes, from trial 100 to trial 500."""
    given = (f"search.tuner.name={tuner}", "search.trials=100")
    searched(known_spec(tmp_path, *given), tmp_path / "s")
    before, began, busy = resident(), time.monotonic(), os.times()
    given = (f"search.tuner.name={tuner}", "search.trials=500")
    searched(known_spec(tmp_path, *given), tmp_path / "s")
    spent = os.times()
    cpu = (spent.user + spent.system - busy.user - busy.system) / 400
    return cpu, (time.monotonic() - began) / 400, resident() - before
