"""How often 95 % intervals of one run hold the true metric, by method and number of groups.

PYTHONPATH=. python benchmarks/interval_coverage.py                     # the worlds of the report
PYTHONPATH=. python benchmarks/interval_coverage.py --worlds choice     # those of the choice

A world says how images are made: groups of near-duplicates of unequal sizes, classes of which the
last is held by a tenth of the groups, skewed Dice scores, defects that are missed, false alarms,
areas with a long tail. The truth is the metric on 400,000 groups. The method was chosen on the
worlds `choice`. Figures are reported on the worlds `report`, which played no part in it.
"""

import argparse
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from scipy.special import betaincinv, expit, gammaincinv, ndtr, ndtri, stdtrit

from steelexp.comparison.intervals import interval
from steelexp.comparison.ratios import (
    Sums,
    counted_groups,
    effective_groups,
    group_sums,
    influence,
    metric,
    shares,
)
from steelexp.counts import Counts
from steelexp.metrics import ratio

Array = np.ndarray
Ends = tuple[Array, Array]
METRICS: Final = ("dice_positive", "dice_kaggle", "dice_pooled")
COPIES: Final = 0.8  # correlation of the images of a group
TRUTH: Final = (20, 20_000)  # chunks, groups


@dataclass(frozen=True)
class World:
    """How images are made.

    Attributes:
        sizes: Images of each group: "geometric", "one", "poisson", "unequal" or "copies".
        held: [C] share of the groups that hold each class.
        score: Dice of a defect that is found: ("normal", mean, spread) before a logistic function,
            or ("beta", a, b).
        missed: [C] share of the defects that are not found at all.
        alarms: Share of the images without a class that predict it.
        areas: Pixels of a defect: ("lognormal", spread), ("gamma", shape) or ("weibull", shape).
    """

    sizes: str
    held: tuple[float, ...]
    score: tuple[str, float, float]
    missed: tuple[float, ...]
    alarms: float
    areas: tuple[str, float]


WORLDS: Final = {
    "choice": {
        "geometric": World(
            "geometric",
            (0.5, 0.4, 0.25, 0.1),
            ("normal", 1.2, 0.9),
            (0.03, 0.08, 0.05, 0.12),
            0.15,
            ("lognormal", 1.0),
        ),
        "no copies": World(
            "one",
            (0.5, 0.4, 0.25, 0.1),
            ("normal", 1.2, 0.6),
            (0.1, 0.1, 0.1, 0.1),
            0.15,
            ("lognormal", 1.0),
        ),
        "unequal": World(
            "unequal",
            (0.3, 0.6, 0.2, 0.1),
            ("normal", 1.0, 1.3),
            (0.0, 0.05, 0.02, 0.2),
            0.15,
            ("lognormal", 1.3),
        ),
        "good network": World(
            "poisson",
            (0.45, 0.3, 0.6, 0.1),
            ("beta", 8.0, 1.5),
            (0.02, 0.05, 0.0, 0.08),
            0.05,
            ("gamma", 0.8),
        ),
        "poor network": World(
            "poisson",
            (0.35, 0.5, 0.2, 0.1),
            ("beta", 1.5, 1.2),
            (0.15, 0.25, 0.1, 0.4),
            0.3,
            ("gamma", 0.5),
        ),
    },
    "report": {
        "fair network": World(
            "copies",
            (0.5, 0.25, 0.4, 0.1),
            ("beta", 3.0, 1.0),
            (0.05, 0.1, 0.03, 0.2),
            0.1,
            ("weibull", 1.0),
        ),
        "weak network": World(
            "copies",
            (0.3, 0.6, 0.15, 0.1),
            ("beta", 1.0, 1.0),
            (0.2, 0.1, 0.3, 0.3),
            0.2,
            ("weibull", 0.6),
        ),
    },
}


def draw_counts(world: World, groups: int, random: np.random.Generator) -> tuple[Counts, Array]:
    """Pixels of one run on the images of a world, [S, C], and the group of each image."""
    classes = len(world.held)
    of_image = np.repeat(np.arange(groups), _sizes(world.sizes, groups, random))

    def latent() -> Array:
        of_group = random.standard_normal((groups, classes))[of_image]
        own = random.standard_normal(of_group.shape)
        return np.sqrt(COPIES) * of_group + np.sqrt(1 - COPIES) * own

    present = (random.random((groups, classes)) < world.held)[of_image]
    luck = latent()
    score = _score(world.score, latent())
    area = _area(world.areas, latent())
    hit = present & (luck > ndtri(np.maximum(world.missed, 1e-9)))
    alarm = ~present & (luck < ndtri(world.alarms))
    labelled = np.where(present, area, 0)
    tp = np.where(hit, np.rint(score * area), 0).astype(np.int64)
    fp = np.where(hit, labelled - tp, np.where(alarm, np.rint(area / 5), 0)).astype(np.int64)
    return Counts(tp, fp, labelled - tp), of_image


def _sizes(kind: str, groups: int, random: np.random.Generator) -> Array:
    if kind == "geometric":
        return np.minimum(random.geometric(0.4, groups), 8)
    if kind == "unequal":
        return 1 + random.binomial(7, random.beta(0.5, 1.5, groups))
    if kind == "poisson":
        return np.minimum(1 + random.poisson(random.gamma(1.0, 2.0, groups)), 12)
    if kind == "copies":
        return random.choice([1, 4, 8], groups, p=[0.5, 0.3, 0.2])
    return np.ones(groups, np.int64)


def _score(how: tuple[str, float, float], latent: Array) -> Array:
    kind, first, second = how
    if kind == "beta":
        return betaincinv(first, second, ndtr(latent))
    return expit(first + second * latent)


def _area(how: tuple[str, float], latent: Array) -> Array:
    kind, value = how
    pixels = {
        "lognormal": lambda: np.exp(value * latent),
        "gamma": lambda: gammaincinv(value, ndtr(latent)),
        "weibull": lambda: (-np.log(ndtr(-latent))) ** (1 / value),
    }[kind]()
    return np.rint(1000 * pixels + 10).astype(np.int64)


def draw_sums(world: World, groups: int, random: np.random.Generator) -> dict[str, Sums]:
    """The sums of every metric on one data set."""
    counts, of_image = draw_counts(world, groups, random)
    ratios = {name: ratio(name, counts) for name in METRICS}
    return {
        name: Sums(
            group_sums(each.numerators, of_image)[None],
            group_sums(each.denominators, of_image)[None],
            each.micro_average,
        )
        for name, each in ratios.items()
    }


def truth(world: World, random: np.random.Generator) -> dict[str, Array]:
    """The metrics of a world, [C + 1] each."""
    chunks, groups = TRUTH
    every = [draw_sums(world, groups, random) for _ in range(chunks)]
    result = {}
    for name in METRICS:
        numerators, denominators = (
            np.sum([getattr(sums[name], part).sum(axis=1) for sums in every], axis=0)[:, None]
            for part in ("numerators", "denominators")
        )
        result[name] = metric(Sums(numerators, denominators, every[0][name].micro_average))[0]
    return result


# --- methods


class Draws(NamedTuple):
    """Bootstrap draws of groups, [B, C + 1] each: metric and linearised standard error."""

    values: Array
    errors: Array


Method = Callable[[Sums, Draws], Ends]


def draw_groups(sums: Sums, random: np.random.Generator, draws: int) -> Draws:
    """Draw groups with replacement."""
    numerators, denominators = sums.numerators[0], sums.denominators[0]  # [G, C]
    groups = len(numerators)
    weights = random.multinomial(groups, np.full(groups, 1 / groups), draws).astype(float)
    tops, bottoms = weights @ numerators, weights @ denominators  # [B, C]
    each = tops / bottoms
    parts = (numerators - each[:, None] * denominators) / bottoms[:, None]  # [B, G, C]
    if sums.micro_average:
        overall = tops.sum(axis=1) / bottoms.sum(axis=1)
        of_all = numerators.sum(axis=1) - overall[:, None] * denominators.sum(axis=1)
        of_all = of_all / bottoms.sum(axis=1)[:, None]
    else:
        overall = np.nanmean(each, axis=1)
        of_all = np.nanmean(parts, axis=2)
    parts = np.concatenate([parts, of_all[..., None]], axis=2)
    errors = np.sqrt(np.einsum("bg,bgc->bc", weights, parts**2) * groups / (groups - 1))
    return Draws(np.column_stack([each, overall]), errors)


def percentile(sums: Sums, draws: Draws) -> Ends:
    """Percentiles of the draws: the method of version 0.1."""
    low, high = np.nanquantile(draws.values, [0.025, 0.975], axis=0)
    return low, high


def bootstrap_t(sums: Sums, draws: Draws) -> Ends:
    """Percentiles of the studentised draws."""
    value = metric(sums)[0]
    error = _linear_error(sums)
    t = (draws.values - value) / draws.errors
    low, high = np.nanquantile(np.where(np.isfinite(t), t, np.nan), [0.025, 0.975], axis=0)
    return value - high * error, value - low * error


def bca(sums: Sums, draws: Draws) -> Ends:
    """Bias-corrected and accelerated percentiles (Efron, JASA 82:171, 1987)."""
    value = metric(sums)[0]
    parts = influence(sums)[0]
    below = (draws.values < value).mean(axis=0) + (draws.values == value).mean(axis=0) / 2
    bias = ndtri(below)
    speed = (parts**3).sum(axis=0) / (6 * (parts**2).sum(axis=0) ** 1.5)
    ends = []
    for z in (ndtri(0.025), ndtri(0.975)):
        p = ndtr(bias + (bias + z) / (1 - speed * (bias + z)))
        columns = zip(draws.values.T, p, strict=True)
        ends.append(
            np.array([np.nanquantile(c, q) if np.isfinite(q) else np.nan for c, q in columns])
        )
    return ends[0], ends[1]


def student(sums: Sums, draws: Draws) -> Ends:
    """Linearised standard error, Student's t at the number of groups less one."""
    freedom = counted_groups(shares(sums)) - 1.0
    half = stdtrit(np.where(freedom > 0, freedom, np.nan), 0.975) * _linear_error(sums)
    return metric(sums)[0] - half, metric(sums)[0] + half


def jackknife(sums: Sums, draws: Draws) -> Ends:
    """Jackknife, Student's t at the effective number of groups less one."""
    share = shares(sums)
    groups = counted_groups(share)
    freedom = effective_groups(share) - 1
    error = np.sqrt((groups - 1) / groups * (influence(sums)[0] ** 2).sum(axis=0))
    half = stdtrit(np.where(freedom > 0, freedom, np.nan), 0.975) * error
    return metric(sums)[0] - half, metric(sums)[0] + half


def pseudo_groups(sums: Sums, draws: Draws) -> Ends:
    """The method of steelexp.comparison.intervals."""
    return interval(sums)


def _linear_error(sums: Sums) -> Array:
    """Linearised standard error, [C + 1]."""
    denominators = sums.denominators
    total = denominators.sum(axis=1, keepdims=True)
    jackknifed = influence(sums)[..., :-1]
    each = jackknifed * (total - denominators) / total
    if sums.micro_average:
        pooled = denominators.sum(axis=-1, keepdims=True)
        rest = 1 - pooled / pooled.sum(axis=1, keepdims=True)
        overall = influence(sums)[..., -1:] * rest
    else:
        overall = np.nanmean(each, axis=-1, keepdims=True)
    parts = np.concatenate([each, overall], axis=-1)[0]
    groups = counted_groups(shares(sums))
    return np.sqrt(groups / np.maximum(groups - 1, 1) * (parts**2).sum(axis=0))


METHODS: Final[Mapping[str, Method]] = {
    "percentile": percentile,
    "bootstrap-t": bootstrap_t,
    "BCa": bca,
    "Student's t": student,
    "jackknife t": jackknife,
    "pseudo-groups": pseudo_groups,
}


# --- coverage


class Cell(NamedTuple):
    """One metric by one method."""

    coverage: float
    width: float
    share: float


def coverage(
    world: World,
    groups: int,
    sets: int,
    seed: int,
    *,
    draws: int,
    methods: Mapping[str, Method] = METHODS,
) -> dict[tuple[str, str], Cell]:
    """(metric, method) -> how often the intervals hold the truth, how wide, how often there is one.

    The rare class, the last of the world, is named "metric, rare".
    """
    data, bootstrap, population = (np.random.default_rng([seed, n]) for n in range(3))
    true = truth(world, population)
    outcomes: dict[tuple[str, str], list[tuple[bool, float]]] = {}
    for _ in range(sets):
        for name, sums in draw_sums(world, groups, data).items():
            with np.errstate(all="ignore"):
                resampled = draw_groups(sums, bootstrap, draws)
                for method, function in methods.items():
                    for label, outcome in _outcomes(name, function(sums, resampled), true[name]):
                        outcomes.setdefault((label, method), []).append(outcome)
    return {key: _cell(each) for key, each in outcomes.items()}


def _outcomes(name: str, ends: Ends, true: Array) -> Iterator[tuple[str, tuple[bool, float]]]:
    low, high = (np.clip(end, 0, 1) for end in ends)
    for label, place in ((name, -1), (f"{name}, rare", -2)):
        inside = bool(low[place] <= true[place] <= high[place])
        yield label, (inside, float(high[place] - low[place]))


def _cell(outcomes: list[tuple[bool, float]]) -> Cell:
    defined = [each for each in outcomes if not np.isnan(each[1])]
    if not defined:
        return Cell(np.nan, np.nan, 0.0)
    inside, width = np.mean(defined, axis=0)
    return Cell(float(inside), float(width), len(defined) / len(outcomes))


def _text(cell: Cell) -> str:
    if not cell.share:
        return "none"
    percent = "<1%" if cell.share < 0.005 else f"{cell.share:.0%}"
    share = "" if cell.share == 1 else f" in {percent}"
    return f"{cell.coverage:.3f} ({cell.width:.2f}){share}"


def main() -> None:
    """Print a table for each world."""
    warnings.simplefilter("ignore", RuntimeWarning)  # draws without a rare class
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", choices=WORLDS, default="report")
    parser.add_argument("--groups", type=int, nargs="+", default=[13, 30, 100, 327])
    parser.add_argument("--sets", type=int, default=300)
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    print("coverage (mean width) of 95 % intervals; 'in': share of the data sets that have one")
    for name, world in WORLDS[args.worlds].items():
        print(f"\n{name}\n\n| groups | metric | {' | '.join(METHODS)} |")
        print("|---:|---|" + "---|" * len(METHODS))
        began = time.monotonic()
        for groups in args.groups:
            cells = coverage(world, groups, args.sets, args.seed, draws=args.draws)
            for label in dict.fromkeys(label for label, _ in cells):
                row = " | ".join(_text(cells[label, method]) for method in METHODS)
                print(f"| {groups} | {label} | {row} |", flush=True)
        print(f"\n{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
