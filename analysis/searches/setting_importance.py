"""How much of a search's scores each setting accounts for, with its uncertainty."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata
from sklearn.ensemble import RandomForestRegressor

from analysis.searches.search_trials import Search, Trial

Values = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

FEWEST: Final = 10  # trials with a score; of ten a draw holds out about four
DRAWS: Final = 100
TREES: Final = 25  # a draw; 100 draws are 2,500 trees
SHUFFLES: Final = 3  # of each setting on each draw
LEVEL: Final = 0.95
HELD_OUT: Final = 2  # trials; fewer cannot be shuffled


class Importance(NamedTuple):
    """What one setting accounts for.

    Attributes:
        path: Dotted path of the setting.
        value: share of the variance of the trials' ranks; about 0 where it does not matter.
        low: end of the 95 % interval over bootstrap draws of trials.
        high: its other end.
        active: trials that had a value of it.
    """

    path: str
    value: float
    low: float
    high: float
    active: int

    @property
    def is_important(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0.0


class Importances(NamedTuple):
    """What all settings account for.

    Attributes:
        settings: the most important first.
        explained: share of the variance of held-out ranks that the forest predicts, median over
            draws; about 0 or below where it predicts nothing.
        trials: scored trials.
    """

    settings: tuple[Importance, ...]
    explained: float
    trials: int


def importances(search: Search, *, draws: int = DRAWS, seed: int = 0) -> Importances | str:
    """Permutation importance of each setting in a random forest, on trials that it has not seen.

    On each draw, a bootstrap sample of the trials trains a forest that predicts the rank of a
    trial's score from its settings. On the trials that were not drawn, each setting in turn is
    shuffled:

        importance = (squared error with the setting shuffled - squared error) / (2 Var(rank))

    which for a forest that has learnt the scores, and settings drawn independently, is the total
    Sobol index: the share of the variance that the setting accounts for, by itself and together
    with others (Jansen). Held-out trials make it 0 on average where a setting does not matter, or
    negative by chance. Ranks keep a few very bad trials from outweighing the rest.

    A setting that is inactive in a trial is given, for the forest, the value of another trial, so
    that its absence says nothing; it is shuffled among the trials that have it. With Hyperband a
    configuration counts once, at its first rung, ranked among those trained as long: later rungs
    hold the good ones only.

    Args:
        search: Search with its trials.
        draws: Number of bootstrap draws.
        seed: Seed of draws and forests.

    Returns:
        The mean and the 2.5 to 97.5 percentiles over the draws; or why there is none.

    Sources: Breiman, Machine Learning 45 (2001); Jansen, Computer Physics Communications 117
    (1999); Gregorutti, Michel and Saint-Pierre, Statistics and Computing 27 (2017), on the factor
    2 and correlated settings.
    """
    trials = [trial for trial in search.finished if trial.continues is None]
    if len(trials) < FEWEST:
        return f"{len(trials)} trials with a score, and at least {FEWEST} are needed"
    ranks = _ranks(search, trials)
    if not ranks.any():
        return "every trial has the same score"
    columns = _columns(search, trials)
    random = np.random.default_rng(seed)
    results = np.array([_draw(columns, ranks, random) for _ in range(draws)])
    shares = results[:, :-1]
    explained = results[:, -1]
    low, high = np.quantile(shares, ((1 - LEVEL) / 2, (1 + LEVEL) / 2), axis=0)
    figures = np.stack([shares.mean(axis=0), low, high], axis=1).tolist()
    active = np.isfinite(columns).sum(axis=0).tolist()
    rows = [
        Importance(setting.path, value, least, greatest, has)
        for setting, (value, least, greatest), has in zip(
            search.settings, figures, active, strict=True
        )
    ]
    ordered = tuple(sorted(rows, key=lambda row: -row.value))
    return Importances(ordered, float(np.median(explained)), len(trials))


def _ranks(search: Search, trials: Sequence[Trial]) -> Values:
    """[N] ranks of the scores, mean 0 and variance 1; with rungs, among trials of equal epochs."""
    scores = np.array([trial.score for trial in trials], np.float64)
    rungs = any(trial.continues for trial in search.trials)
    budgets = np.array([(trial.epochs or 0) if rungs else 0 for trial in trials])
    ranks = np.zeros(len(trials))
    for budget in np.unique(budgets):
        same = budgets == budget
        ranks[same] = rankdata(scores[same]) / (same.sum() + 1) - 0.5
    spread = float(ranks.std())
    return (ranks - ranks.mean()) / spread if spread > 0 else np.zeros(len(trials))


def _columns(search: Search, trials: Sequence[Trial]) -> Values:
    """[N, D] settings as numbers, NaN where inactive."""
    rows = [
        [
            setting.number(trial.values[setting.path]) if setting.path in trial.values else np.nan
            for setting in search.settings
        ]
        for trial in trials
    ]
    return np.array(rows, np.float64)


def _draw(columns: Values, ranks: Values, random: np.random.Generator) -> Values:
    """[D + 1]: importance of each column on one draw, and the share that the forest explains."""
    sampled, held_out = _sample(len(ranks), random)
    filled = _filled(columns, random)
    forest = RandomForestRegressor(
        TREES, min_samples_leaf=2, random_state=int(random.integers(2**31))
    )
    forest.fit(filled[sampled], ranks[sampled])
    variants = np.stack([filled[held_out], *_shuffled(columns, filled, held_out, random)])
    predicted = forest.predict(variants.reshape(-1, columns.shape[1])).reshape(len(variants), -1)
    errors = np.square(predicted - ranks[held_out]).mean(axis=1)
    shuffled = errors[1:].reshape(-1, SHUFFLES).mean(axis=1)
    return np.append((shuffled - errors[0]) / 2.0, 1.0 - errors[0])


def _sample(count: int, random: np.random.Generator) -> tuple[Numbers, Numbers]:
    """Drawn rows, as often as they were drawn, and the rows that were not."""
    while True:
        sampled = random.integers(count, size=count)
        held_out = np.setdiff1d(np.arange(count), sampled)
        if len(held_out) >= HELD_OUT:
            return sampled, held_out


def _filled(columns: Values, random: np.random.Generator) -> Values:
    """The columns, each gap filled with a value of the same column."""
    filled = columns.copy()
    for column in filled.T:
        gaps = np.isnan(column)
        column[gaps] = 0.0 if gaps.all() else random.choice(column[~gaps], size=gaps.sum())
    return filled


def _shuffled(
    columns: Values,
    filled: Values,
    held_out: Numbers,
    random: np.random.Generator,
) -> Iterable[Values]:
    """The held-out rows, one column shuffled among the rows that have it, SHUFFLES times each."""
    for d in range(columns.shape[1]):
        has = np.flatnonzero(np.isfinite(columns[held_out, d]))
        for _ in range(SHUFFLES):
            rows = filled[held_out]
            rows[has, d] = rows[random.permutation(has), d]
            yield rows
