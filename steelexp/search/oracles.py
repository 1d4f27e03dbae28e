"""keras-tuner's oracles, as a search needs them: the only module that imports keras-tuner.

An oracle proposes values and is told what came of them. It sees numbers alone (`Dimension.number`),
so a choice may hold anything; it writes no files, because the search's journal is the truth.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras_tuner
import numpy as np
import numpy.typing as npt
from keras_tuner.engine import hyperparameters
from keras_tuner.src.engine.conditions import Parent  # not exported; keras-tuner is bound below 1.5
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern, WhiteKernel

from steelexp.search.objectives import losses, scalarise
from steelexp.spec.objective import Objective
from steelexp.spec.space import Dimension, Space, parents_first

_FAILED = ("FAILED", "INVALID")  # left out of a fit
_CANDIDATES = 2000
_NEAR = 100  # around each of the best
_FITTED = 200  # trials: of 500, a fit took 2.3 s against 0.4 s (4 settings, one core)


def grid(space: Space, direction: str) -> Any:
    """Every combination of the values of a space without continuous ranges."""
    return _unwritten(_Grid(max_trials=None, **_oracle_arguments(space, direction)))


def random(space: Space, direction: str) -> Any:
    """Values drawn at random, none twice."""
    return _unwritten(
        keras_tuner.oracles.RandomSearchOracle(
            max_trials=None, **_oracle_arguments(space, direction)
        )
    )


def hyperband(space: Space, direction: str, *, epochs: int, factor: int, iterations: int) -> Any:
    """Many trials of few epochs, the best of which go on."""
    settings = {"max_epochs": epochs, "factor": factor, "hyperband_iterations": iterations}
    return _unwritten(
        keras_tuner.oracles.HyperbandOracle(**_oracle_arguments(space, direction), **settings)
    )


def bayesian(space: Space, direction: str, *, initial: int, beta: float) -> Any:
    """What a Gaussian process of the trials so far promises most of."""
    settings = {"num_initial_points": initial, "beta": beta, "max_trials": None}
    return _unwritten(_Bayesian(**_oracle_arguments(space, direction), **settings))


def avoid(
    oracle: Any,
    tried: Callable[[dict[str, float]], bool],
    untried: Callable[[np.random.Generator | None], dict[str, float] | None],
) -> None:
    """Have an oracle propose nothing that was tried, as long as anything else is left.

    keras-tuner holds the numbers that it drew against those that were run, which are rounded and
    without the settings that were not active: so it takes one for another. And it ends a search
    after 21 draws in vain, although a small space may hold untried combinations.

    Args:
        oracle: Oracle of keras-tuner.
        tried: Whether numbers that were drawn are those of an earlier trial.
        untried: Function to numbers that were not tried, in random order or in that of the space;
            None where none are left.
    """
    if isinstance(oracle, _Grid):
        oracle.untried = untried
        return
    draw = oracle._random_values
    oracle._duplicate = tried
    oracle._random_values = lambda: draw() or untried(np.random.default_rng(oracle._seed_state))


def hyperband_starts(oracle: Any) -> int:
    """Number of trials that a Hyperband oracle begins, each with other settings.

    Where there are fewer, keras-tuner ends without letting any of the last bracket go on.
    """
    brackets = range(oracle._get_num_brackets())
    first: list[int] = [oracle._get_size(bracket, 0) for bracket in brackets]
    return sum(first) * int(oracle.hyperband_iterations)


def hyperband_rungs(oracle: Any) -> list[tuple[int, int]]:
    """What a Hyperband oracle is going to ask for: trials and new epochs of each, rung by rung."""
    rungs: list[tuple[int, int]] = [
        (
            oracle._get_size(bracket, rung),
            oracle._get_epochs(bracket, rung)
            - (oracle._get_epochs(bracket, rung - 1) if rung else 0),
        )
        for bracket in range(oracle._get_num_brackets())
        for rung in range(oracle._get_num_rounds(bracket))
    ]
    return rungs * int(oracle.hyperband_iterations)


def _oracle_arguments(space: Space, direction: str) -> dict[str, Any]:
    return {
        "objective": keras_tuner.Objective("score", direction),
        "hyperparameters": _declared(space),
        "allow_new_entries": False,
        "tune_new_entries": True,
        "seed": 1,  # 0 would be drawn; the seed that counts is set before every proposal
        "max_consecutive_failed_trials": None,  # a search ends by its budget
    }


def _unwritten(oracle: Any) -> Any:
    oracle.verbose = 0
    oracle.scores = {}  # trial -> its objectives, for an oracle that looks at several
    oracle.save = oracle._save_trial = lambda *_: None
    return oracle


def _declared(space: Space) -> Any:
    """The space as keras-tuner's hyperparameters, parents before what depends on them."""
    parameters = keras_tuner.HyperParameters()
    parameters.merge([_declaration(path, space[path], space) for path in parents_first(space)])
    return parameters


def _declaration(path: str, dimension: Dimension, space: Space) -> Any:
    conditions = [
        Parent(parent, [space[parent].number(value) for value in values])
        for parent, values in dimension.when.items()
    ]
    arguments: dict[str, Any] = {"name": path, "conditions": conditions}
    if dimension.choice is not None:
        return hyperparameters.Choice(values=list(range(len(dimension.choice))), **arguments)
    low, high = dimension.bounds
    if dimension.whole is not None:
        return hyperparameters.Int(
            min_value=low, max_value=dimension.extremes[-1], step=dimension.step, **arguments
        )
    sampling = "log" if dimension.log_uniform else "linear"
    return hyperparameters.Float(min_value=low, max_value=high, sampling=sampling, **arguments)


class _Grid(keras_tuner.Oracle):  # type: ignore[misc]  # no types
    """The combinations of a finite space in order, whatever else was tried.

    keras-tuner's own takes each trial for a point of the grid, and a starting point need not be.
    """

    untried: Callable[[np.random.Generator | None], dict[str, float] | None]
    replayed: dict[str, float] | None = None
    """Values to take instead of proposing, also at the end of the grid."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        values = self.untried(None) if self.replayed is None else dict(self.replayed)
        if values is not None:
            return {"status": "RUNNING", "values": values}
        return {"status": "STOPPED"}


class _Bayesian(keras_tuner.oracles.BayesianOptimizationOracle):  # type: ignore[misc]  # no types
    """keras-tuner's, with another process and another way to its optimum.

    Its own takes 4 s a proposal after 100 trials and 13 s after 480 (4 settings, one core): it fits
    21 times and follows 50 gradients point by point. Its kernel has one length for all settings and
    no noise, and with noisy scores the length collapses. Here each setting has its length, noise is
    fitted, and the bound is taken at many candidates at once, each rounded to what can be run.
    """

    objectives: Sequence[Objective] = ()
    scores: dict[str, Mapping[str, float]]

    replayed: dict[str, float] | None = None
    """Values to take instead of proposing: a journal that is replayed need not be thought over."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        if self.replayed is not None:
            return {"status": "RUNNING", "values": dict(self.replayed)}
        done = sum(trial.status == "COMPLETED" for trial in self.trials.values())
        if done < self.num_initial_points:
            return self._random_populate_space()  # type: ignore[no-any-return]
        x, y = self._vectorize_trials()
        if len(self.objectives) > 1:
            y = self._scalarised(y)
        rows = _rows_to_fit(y)
        with warnings.catch_warnings():  # that a setting hardly counts, or that there is no noise
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.gpr.fit(x[rows], y[rows])
        draw = np.random.default_rng(self._seed_state)
        candidates = self._rounded(_candidates(draw, x[np.argsort(y)[:10]]))
        mean, deviation = self.gpr.predict(candidates, return_std=True)
        for row in np.argsort(mean - self.beta * deviation):
            values = self._vector_to_values(candidates[row])
            if not self._duplicate(values):
                return {"status": "RUNNING", "values": values}
        return self._random_populate_space()  # type: ignore[no-any-return]

    def _scalarised(self, y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """One loss a trial in place of the first objective; guesses of running trials stay."""
        fitted = [trial for trial in self.trials.values() if trial.status not in _FAILED]
        is_complete = [trial.status == "COMPLETED" for trial in fitted]
        scores = [self.scores[trial.trial_id] for trial in fitted if trial.trial_id in self.scores]
        table = np.array([losses(each, self.objectives) for each in scores])
        y = y.copy()
        y[is_complete] = scalarise(table, np.random.default_rng(self._seed_state))
        return y

    def _make_gpr(self) -> Any:
        lengths = np.ones(len(self.hyperparameters.space))
        kernel = Matern(lengths, (0.05, 20), nu=2.5) + WhiteKernel(1e-2, (1e-5, 1))
        return GaussianProcessRegressor(kernel, normalize_y=True, alpha=1e-8)

    def _rounded(self, x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """As trials are seen: discrete values centred, inactive ones at their default."""
        x = x.copy()
        numbers = {}
        for column, hp in enumerate(self.hyperparameters.space):
            if getattr(hp, "step", 1) is not None:  # all but Float
                values = np.array(list(hp.values))
                places = np.minimum((x[:, column] * len(values)).astype(int), len(values) - 1)
                x[:, column] = (places + 0.5) / len(values)
                numbers[hp.name] = values[places]
            for parent in hp.conditions:
                active = np.isin(numbers[parent.name], parent.values)
                x[~active, column] = hp.value_to_prob(hp.default)
        return x


def _rows_to_fit(y: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """The trials to fit: all, or the best and the newest."""
    if len(y) <= _FITTED:
        return np.arange(len(y))
    half = _FITTED // 2
    best = np.argsort(y)[:half]
    newest = np.arange(len(y) - half, len(y))
    return np.union1d(best, newest)


def _candidates(
    draw: np.random.Generator, best: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Points of the unit cube: anywhere, and near the best trials."""
    anywhere = draw.random((_CANDIDATES, best.shape[1]))
    spread = 10 ** draw.uniform(-2.5, -0.5, (_NEAR, len(best), 1))
    near = best + spread * draw.standard_normal((_NEAR, *best.shape))
    return np.concatenate([anywhere, near.reshape(-1, best.shape[1]).clip(0, 1)])
