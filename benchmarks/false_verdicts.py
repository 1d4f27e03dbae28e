"""How often `compare_strategies` calls one of seven equal strategies higher or lower.

PYTHONPATH=. python benchmarks/false_verdicts.py

A study has a baseline and six strategies that are as good as it is (tests/simulated_runs.py). A
false verdict on all classes, and one on a single class, are each promised in at most 5 % of the
studies. Runs that lose a class score 0 on it.
"""

import argparse
import time
from dataclasses import dataclass
from typing import Final

import numpy as np

from steelexp.comparison.differences import strategy
from steelexp.comparison.ratios import Sums, group_sums
from steelexp.comparison.verdicts import HIGHER, LOWER, significance
from tests.simulated_runs import Study, draw

STRATEGIES: Final = {f"strategy_{n}": 0.0 for n in range(7)}
EFFECT: Final = 0.16


@dataclass(frozen=True)
class Loss:
    """How runs lose classes.

    Attributes:
        words: Description for the table.
        probability: Probability that a run, or each class of a run, is lost.
        each: True if every class of a run is lost by itself; False if a run loses one class.
    """

    words: str
    probability: float = 0.0
    each: bool = False

    def lost(self, shape: tuple[int, int, int], random: np.random.Generator) -> np.ndarray:
        """Which classes of which runs score 0, [K, R, C]."""
        if self.each:
            return random.random(shape) < self.probability
        runs = random.random(shape[:2]) < self.probability
        which = random.integers(0, shape[2], shape[:2])
        return runs[..., None] & (which[..., None] == np.arange(shape[2]))


LOSSES: Final = (
    Loss("none"),
    Loss("one class, probability 0.15", 0.15),
    Loss("each class, probability 0.15", 0.15, each=True),
    Loss("one class, probability 0.33", 0.33),
)


def study_verdicts(study: Study, loss: Loss, seed: tuple[int, int]) -> list[list[str]]:
    """The verdicts of each strategy but the first, [K - 1][C + 1]: every class, then all."""
    random = np.random.default_rng(seed)
    scores = draw(study, random)
    strategies, runs, _, classes = scores.dice.shape
    lost = loss.lost((strategies, runs, classes), random)
    dice = np.where(lost[:, :, None], 0.0, scores.dice) * scores.held
    denominators = group_sums(scores.held, scores.groups)[None]
    sums = [
        Sums(group_sums(each, scores.groups), denominators, micro_average=False) for each in dice
    ]
    every = [(strategy(each), each) for each in sums]
    return [outcome.verdicts for outcome in significance(every[0], every[1:])]


def rates(study: Study, loss: Loss, studies: int, seed: int = 0) -> np.ndarray:
    """Share of studies with a false verdict: on all classes, on a single class, on either."""
    alarms = []
    for number in range(studies):
        alarm = np.isin(study_verdicts(study, loss, (seed, number)), (HIGHER, LOWER))
        alarms.append([alarm[:, -1].any(), alarm[:, :-1].any(), alarm.any()])
    return np.mean(alarms, axis=0)


def power(study: Study, studies: int, seed: int = 0) -> float:
    """Share of studies in which the second strategy is called higher on all classes."""
    every = (study_verdicts(study, LOSSES[0], (seed, number)) for number in range(studies))
    return float(np.mean([verdicts[0][-1] == HIGHER for verdicts in every]))


def main() -> None:
    """Print a line for each number of seeds and kind of loss, then the power."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[2, 3, 5])
    parser.add_argument("--groups", type=int, default=70)
    parser.add_argument("--luck", type=float, nargs="+", default=[0.015])
    args = parser.parse_args()
    began = time.monotonic()
    print("| seeds | spread of runs | lost classes | all classes | single classes | either |")
    print("|---:|---:|---|---:|---:|---:|")
    for seeds in args.seeds:
        for luck in args.luck:
            study = Study(STRATEGIES, seeds=seeds, groups=args.groups, luck=luck)
            for loss in LOSSES:
                shares = " | ".join(f"{share:.1%}" for share in rates(study, loss, args.studies))
                print(f"| {seeds} | {luck} | {loss.words} | {shares} |", flush=True)
    study = Study({**STRATEGIES, "strategy_1": EFFECT}, seeds=3, groups=args.groups)
    print(f"\npower at an effect of {EFFECT}, 3 seeds: {power(study, args.studies):.1%}")
    print(f"{args.studies} studies a line, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
