"""Optuna's TPE beside the Bayesian and random tuners, at equal trials on known objectives.

pip install optuna
python -m benchmarks.tpe_gain
"""

import argparse
import math
import time
import warnings
from collections.abc import Callable, Mapping
from statistics import median, quantiles
from typing import Any

import numpy as np
import optuna

from benchmarks.tuner_comparison import difference
from steelexp.search.executor import Outcome, Trial
from steelexp.search.tuner import Tuner, make_tuner
from steelexp.search.tuners import Question, bayesian, random
from steelexp.spec.space import Dimension, Space, is_active, parents_first

Values = Mapping[str, Any]
NOISE = 0.01

SMOOTH: Space = {
    "rate": Dimension(log_uniform=[1e-4, 1e-1]),
    "decay": Dimension(log_uniform=[1e-6, 1e-2]),
    "momentum": Dimension(float=[0.5, 0.99]),
}
MIXED: Space = {
    "loss": Dimension(choice=["dice", "bce", "bce_dice", "focal", "tversky"]),
    "gamma": Dimension(float=[0.5, 4.0], when={"loss": ["focal"]}),
    "alpha": Dimension(float=[0.1, 0.9], when={"loss": ["focal", "tversky"]}),
    "rate": Dimension(log_uniform=[1e-4, 1e-1]),
    "sampling": Dimension(choice=["uniform", "class_balanced", "repeat_factor"]),
    "cap": Dimension(int=[1, 10], when={"sampling": ["repeat_factor"]}),
    "batch": Dimension(int=[4, 16], step=4),
    "flips": Dimension(choice=[False, True]),
}


def smooth(values: Values) -> float:
    """At most 1; rate and momentum have to go together."""
    rate = math.log10(values["rate"]) + 2.5
    decay = math.log10(values["decay"]) + 4
    momentum = 4 * (values["momentum"] - 0.8)
    return 1 - 0.2 * rate**2 - 0.03 * decay**2 - 0.2 * momentum**2 - 0.15 * rate * momentum


def mixed(values: Values) -> float:
    """At most 1: Tversky at alpha 0.7, a rate of 0.003, repeat factor with a cap of 4."""
    best_rate = {"focal": -2.0, "tversky": -2.5}.get(values["loss"], -3.0)
    score = 1 - 0.15 * (math.log10(values["rate"]) - best_rate) ** 2
    score -= {"dice": 0.1, "bce": 0.3, "bce_dice": 0.07, "focal": 0.03, "tversky": 0.0}[
        values["loss"]
    ]
    score -= 0.03 * (values.get("gamma", 2.0) - 2) ** 2
    if "alpha" in values:
        score -= 0.4 * (values["alpha"] - (0.25 if values["loss"] == "focal" else 0.7)) ** 2
    score -= {"uniform": 0.1, "class_balanced": 0.04, "repeat_factor": 0.0}[values["sampling"]]
    score -= 0.004 * (values.get("cap", 4) - 4) ** 2
    score -= 0.004 * abs(values["batch"] - 8)
    return score - 0.03 * (not values["flips"])


class OptunaTuner:
    """A study in memory, behind the interface of a tuner."""

    def __init__(self, space: Space, seed: int, **settings: Any) -> None:
        self._space = space
        self._seed = seed
        self._settings = settings
        self._study = optuna.create_study(direction="maximize")
        self._trials: dict[str, optuna.Trial] = {}

    def ask(self, recorded: Values | None = None) -> Trial:
        """The next trial; what a sampler draws depends on its number and the outcomes alone."""
        number = len(self._trials)
        self._study.sampler = optuna.samplers.TPESampler(
            seed=self._seed * 10_007 + number, **self._settings
        )
        if recorded is not None:
            self._study.enqueue_trial(
                {path: self._space[path].number(value) for path, value in recorded.items()}
            )
        trial = self._study.ask()
        values: dict[str, Any] = {}
        for path in parents_first(self._space):
            if is_active(self._space[path], values):
                values[path] = self._space[path].value(suggest(trial, path, self._space[path]))
        self._trials[f"{number:04d}"] = trial
        return Trial(f"{number:04d}", values)

    def tell(self, outcome: Outcome) -> None:
        """Tell the study."""
        trial = self._trials[outcome.trial]
        if outcome.score is None:
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(trial, outcome.score)


def suggest(trial: optuna.Trial, path: str, dimension: Dimension) -> float:
    """A number of a dimension."""
    if dimension.choice is not None:
        return int(trial.suggest_categorical(path, list(range(len(dimension.choice)))))
    low, high = dimension.bounds
    if dimension.whole is not None:
        return trial.suggest_int(path, int(low), int(high), step=dimension.step)
    return trial.suggest_float(path, low, high, log=dimension.log_uniform is not None)


def make(name: str, space: Space, seed: int) -> Tuner:
    """A tuner by its name in the table."""
    question = Question(space, "max", 1)
    if name == "random":
        return make_tuner(random(question), seed)
    if name == "bayesian":
        return make_tuner(bayesian(question), seed)
    settings = {"multivariate": True, "group": True} if name == "tpe, multivariate" else {}
    return OptunaTuner(space, seed, **settings)


def bests(
    tuner: Tuner, objective: Callable[[Values], float], seed: int, trials: int
) -> list[float]:
    """True value of the best trial so far, after each trial."""
    draw = np.random.default_rng([seed, 7])
    best = -math.inf
    values = []
    chosen = -math.inf
    for _ in range(trials):
        trial = tuner.ask()
        assert trial is not None
        true = objective(trial.values)
        score = true + float(draw.normal(0.0, NOISE))
        tuner.tell(Outcome(trial.id, score))
        if score > best:
            best = score
            chosen = true
        values.append(chosen)
    return values


def cell(values: list[float], others: list[float]) -> str:
    """Median and quartiles of values, and their difference to those of the Bayesian tuner."""
    low, _, high = quantiles(values, n=4)
    less = difference(values, others)
    return f"{median(values):.3f} ({low:.3f} to {high:.3f}) | {less}"


def main() -> None:
    """Print a row for each space and tuner, the Bayesian one first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, nargs="+", default=[20, 40])
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    head = [f"median (quartiles), {n} trials | mean, less Bayesian" for n in args.trials]
    print(f"| space | tuner | {' | '.join(head)} | s a trial |")
    print("|---|---|" + "---|---|" * len(args.trials) + "---|")
    bayesian_runs: list[list[float]] = []
    for title, space, objective in (("smooth", SMOOTH, smooth), ("mixed", MIXED, mixed)):
        for name in ("bayesian", "random", "tpe", "tpe, multivariate"):
            began = time.process_time()
            runs = [
                bests(make(name, space, seed), objective, seed, max(args.trials))
                for seed in range(args.seeds)
            ]
            seconds = (time.process_time() - began) / args.seeds / max(args.trials)
            bayesian_runs = runs if name == "bayesian" else bayesian_runs
            cells = [
                cell([run[n - 1] for run in runs], [run[n - 1] for run in bayesian_runs])
                for n in args.trials
            ]
            print(f"| {title} | {name} | {' | '.join(cells)} | {seconds:.3f} |", flush=True)


if __name__ == "__main__":
    main()
