"""Power laws that fit scores at several sizes, with their uncertainty.

    score(n) = a - b n^-c = y + g (1 - (n / N)^-c)

N is the largest size, y the score there and g = a - y what is left above it. The second form has
the parts that data can say something about. Curves are drawn from the posterior:

    mean scores    ~ Normal(curve, covariance of the groups + V / seeds + d^2 I)
    scores of seed ~ Normal(mean scores, V)
    V              = s^2 (I + t^2 B),    B_ij = (1 / max(n_i, n_j) - 1 / N) / (1 / n_1 - 1 / N)

V is the noise of a seed. s is the luck of a training. t is the part of its subset, which falls to 0
at the largest size, where all seeds train on the same images. Subsets of one seed are nested, so
the part of a larger one is in all smaller ones, as in a mean of the first n of N draws. d = 0.004
is how far the scores of a size may be from any power law.

The priors are weak. y and a are uniform between 0 and 1, with a above y: no curve falls with more
images. The logarithm of c is normal around 0.5, with a factor of 2 as its deviation. The logarithm
of s is uniform. t is 0, 1, 2 or 4.

For one c, s and t the curve is linear in y and g, so both are integrated in closed form. c, s and t
are summed over a grid. Draws outside the bounds of y and a are dropped.
"""

from typing import Final, NamedTuple

import numpy as np

from steelexp.counts import Values
from steelexp.forecast.observations import Observations

DRAWS: Final = 4000
"""Number of curves that are drawn."""

_TRIES: Final = 12_000
"""Number of draws, most of which may lie outside the bounds."""

_FEWEST: Final = 100
"""Fewest draws within the bounds. With fewer the scores fall, and level curves stand for them."""

_EXPONENTS: Final = np.exp(np.linspace(np.log(0.08), np.log(2.5), 120))
_SPREADS: Final = np.exp(np.linspace(np.log(0.0005), np.log(0.2), 24))
_SUBSETS: Final = (0.0, 1.0, 2.0, 4.0)
_MISFIT: Final = 0.004  # without it 2 to 3 points of coverage are missing for curves that are bent
_PRIOR: Final = -(((np.log(_EXPONENTS) - np.log(0.5)) / np.log(2)) ** 2) / 2


class Curves(NamedTuple):
    """Power laws, D of them.

    Attributes:
        largest: Largest size, N.
        score: Score at the largest size, y, [D].
        gap: What is left above it, g, [D].
        exponent: Exponent, c, [D].
    """

    largest: float
    score: Values
    gap: Values
    exponent: Values

    def at(self, images: float) -> Values:
        """Score of each curve at a number of training images, [D]."""
        return np.asarray(self.score + self.gap * (1 - (images / self.largest) ** -self.exponent))

    @property
    def limit(self) -> Values:
        """Score that each curve approaches, a, [D]."""
        return self.score + self.gap

    def images_for(self, target: float) -> Values:
        """Number of training images at which each curve has the target, [D]; infinite if never."""
        left = (self.limit - target) / np.maximum(self.gap, 1e-12)
        with np.errstate(over="ignore"):
            images = self.largest * np.maximum(left, 1e-12) ** (-1 / self.exponent)
        return np.where(left > 0, images, np.inf)


class _Fits(NamedTuple):
    """Fits of y and g for M noises and E exponents.

    Attributes:
        log_weights: Logarithm of the posterior of noise and exponent, [M, E].
        means: Most likely y and g, [M, E, 2].
        covariances: Their covariance, [M, E, 2, 2].
    """

    log_weights: Values
    means: Values
    covariances: Values


def posterior_curves(data: Observations, random: np.random.Generator) -> Curves:
    """Draw curves from the posterior.

    Args:
        data: Scores of the sizes.
        random: Generator of random numbers.
    """
    fits = _fits(data)
    weights = np.exp(fits.log_weights - fits.log_weights.max()).ravel()
    cells = random.choice(weights.size, _TRIES, p=weights / weights.sum())
    noise, step = np.unravel_index(cells, fits.log_weights.shape)
    normal = random.standard_normal((_TRIES, 2, 1))
    root = np.linalg.cholesky(fits.covariances[noise, step])
    score, gap = (fits.means[noise, step] + (root @ normal)[..., 0]).T
    inside = np.flatnonzero((score >= 0) & (gap >= 0) & (score + gap <= 1))[:DRAWS]
    largest = float(data.images[-1])
    if len(inside) < _FEWEST:
        level = np.clip(_level_scores(data, random), 0, 1)
        return Curves(largest, level, np.zeros(DRAWS), np.full(DRAWS, 0.5))
    return Curves(largest, score[inside], gap[inside], _EXPONENTS[step[inside]])


def _fits(data: Observations) -> _Fits:
    """Fit y and g by generalised least squares for every noise and exponent."""
    size = data.images / data.images[-1]  # [K]
    noises = _noises(size)  # [M, K, K]
    misfit = _MISFIT**2 * np.eye(len(size))
    inverse = np.linalg.inv(data.covariance + noises / data.seeds + misfit)
    rise = 1 - size ** -_EXPONENTS[:, None]  # [E, K]
    design = np.stack([np.ones_like(rise), rise])  # [2, E, K]
    weighted = np.einsum("pek,mkj->pmej", design, inverse)
    precision = np.einsum("pmek,qek->mepq", weighted, design)  # [M, E, 2, 2]
    covariances = np.linalg.inv(precision)
    right = np.einsum("pmek,k->mep", weighted, data.means)  # [M, E, 2]
    means = np.einsum("mepq,meq->mep", covariances, right)
    total = np.einsum("k,mkj,j->m", data.means, inverse, data.means)
    distance = total[:, None] - (means * right).sum(axis=-1)  # [M, E]
    scale = np.linalg.slogdet(inverse)[1][:, None] - np.linalg.slogdet(precision)[1]
    seeds = (data.seeds - 1) * np.linalg.slogdet(noises)[1]
    seeds += (np.linalg.inv(noises) * data.scatter).sum(axis=(-2, -1))
    return _Fits((scale - distance - seeds[:, None]) / 2 + _PRIOR, means, covariances)


def _noises(size: Values) -> Values:
    """Covariance of the scores of one seed, for each spread and part of the subset, [M, K, K]."""
    nested = 1 / np.maximum(size[:, None], size) - 1
    nested /= nested[0, 0]
    shapes = [np.eye(len(size)) + part**2 * nested for part in _SUBSETS]
    return np.array([spread**2 * shape for shape in shapes for spread in _SPREADS])


def _level_scores(data: Observations, random: np.random.Generator) -> Values:
    """Scores of curves that neither rise nor fall."""
    deviation = np.sqrt(data.covariance.mean() + data.means.var() / len(data.means))
    return random.normal(data.means.mean(), deviation, DRAWS)
