"""How often the intervals of a forecast hold the truth, over simulated curves that are known.

    PYTHONPATH=. python benchmarks/forecast_coverage.py --curves 300

Each curve is observed by three runs at four sizes, on one set of test groups. The runs have the
luck of a seed, and nested subsets of their own. Groups differ in hardness and in what they gain
from more images. `--bend 0.15` takes curves that are no power laws.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from steelexp.comparison.ratios import Sums
from steelexp.forecast.answer import FARTHEST, Interval, answer, curves_of, interval
from steelexp.forecast.observations import Observations, observations

SIZES = (100, 200, 400, 800)
"""Training images of the simulated runs."""


class Curve(NamedTuple):
    """A known curve, and its noise.

    Attributes:
        limit: Score that it approaches.
        loss: What is missing from it at the smallest size.
        exponent: Exponent.
        luck: Standard deviation of a seed.
        subset: Standard deviation of the subset at the smallest size, less at larger ones.
        groups: Number of groups in the test part.
        hardness: Standard deviation of the score of a group.
        gain: Standard deviation of what a group gains between the smallest and the largest size.
        noise: Standard deviation of a run on a group.
        bend: 0 for a power law; what the exponent loses on the way from the smallest to 4 times
            the largest size.
    """

    limit: float
    loss: float
    exponent: float
    luck: float
    subset: float
    groups: int
    hardness: float
    gain: float
    noise: float
    bend: float = 0.0

    def at(self, images: float) -> float:
        """Score at a number of training images."""
        steps = np.log(images / SIZES[0])
        exponent = self.exponent - self.bend * steps / np.log(4 * SIZES[-1] / SIZES[0])
        return float(self.limit - self.loss * np.exp(-exponent * steps))


def draw_curve(random: np.random.Generator, bend: float = 0.0) -> Curve:
    """A curve as segmentation has them."""
    return Curve(
        limit=random.uniform(0.65, 0.95),
        loss=random.uniform(0.08, 0.35),
        exponent=random.uniform(0.2, 1.2),
        luck=random.uniform(0.004, 0.02),
        subset=random.uniform(0.0, 0.015),
        groups=int(random.integers(60, 201)),
        hardness=random.uniform(0.12, 0.25),
        gain=random.uniform(0.0, 0.1),
        noise=random.uniform(0.05, 0.12),
        bend=bend,
    )


class World(NamedTuple):
    """Simulated runs of one curve.

    Attributes:
        data: Their scores.
        offset: What the drawn test groups add to the curve, at a number of training images.
    """

    data: Observations
    offset: Callable[[float], float]


def observe(curve: Curve, random: np.random.Generator, seeds: int = 3) -> World:
    """Simulate runs on subsets of the training images, and the groups that evaluate them."""
    hardness = random.normal(0, curve.hardness, curve.groups)
    gain = random.normal(0, curve.gain, curve.groups)

    def offset(images: float) -> float:
        return float(hardness.mean() + gain.mean() * _place(images))

    subset = np.zeros(seeds)
    sizes = []
    for images in reversed(SIZES):  # a smaller subset is a part of the larger one
        added = 0.0 if images == SIZES[-1] else 1 / (2 * images)
        variance = curve.subset**2 * added / (1 / SIZES[0] - 1 / SIZES[-1])
        subset = subset + random.normal(0, np.sqrt(variance), seeds)
        means = curve.at(images) + random.normal(0, curve.luck, seeds) + subset
        runs = means[:, None] + hardness + gain * _place(images)
        runs = runs + random.normal(0, curve.noise, runs.shape)  # [R, G]
        sizes.append(Sums(runs[..., None], np.ones((seeds, curve.groups, 1)), False))
    data = observations(SIZES, sizes[::-1])[0]
    assert data is not None
    return World(data, offset)


def _place(images: float) -> float:
    """0 at the smallest size and 1 at the largest, on a logarithmic scale."""
    return float(np.log(images / SIZES[0]) / np.log(SIZES[-1] / SIZES[0]))


class Coverage:
    """Intervals that hold the truth, and their widths.

    Attributes:
        hits: Whether each interval holds the truth.
        widths: Width of each; infinite where it is open.
        errors: Distance of each median from the truth.
    """

    def __init__(self) -> None:
        self.hits: list[bool] = []
        self.widths: list[float] = []
        self.errors: list[float] = []

    def add(self, result: Interval, truth: float) -> None:
        """Add one interval."""
        self.hits.append(result.low <= truth <= result.high)
        self.widths.append(result.high - result.low)
        self.errors.append(abs(result.median - truth))

    @property
    def share(self) -> float:
        """Share of the intervals that hold the truth."""
        return float(np.mean(self.hits))

    def __str__(self) -> str:
        closed = [width for width in self.widths if width < np.inf]
        return (
            f"{self.share:6.1%} of {len(self.hits):3}, {len(closed):3} closed, median width "
            f"{np.median(closed):7.4g}, median error {np.median(self.errors):7.4g}"
        )


def simulate(
    curves: int, *, seeds: int = 3, bend: float = 0.0, start: int = 1
) -> tuple[dict[str, Coverage], Counter[str]]:
    """Coverage over simulated curves, and how often each refusal was given.

    The target is what a curve has at 1.2 to 4 times the largest size, so an answer exists.

    Args:
        curves: Number of curves.
        seeds: Runs of each size.
        bend: How far the curves are from power laws.
        start: Random seed. The method was chosen on the curves of seed 0.
    """
    random = np.random.default_rng(start)
    coverage: dict[str, Coverage] = {}
    refusals: Counter[str] = Counter()
    for _ in range(curves):
        curve = draw_curve(random, bend)
        world = observe(curve, random, seeds)
        needed = float(SIZES[-1] * random.uniform(1.2, FARTHEST))
        like = _Asked("images like these", world.data, curve.at)
        own = _Asked(
            "these images",
            world.data.on_these_images,
            lambda images, at=curve.at, more=world.offset: at(images) + more(images),  # type: ignore[misc]
        )
        for asked in (like, own):
            _judge(asked, needed, coverage, refusals)
    return coverage, refusals


class _Asked(NamedTuple):
    """A question about a curve: its scope, the observations, and the truth."""

    scope: str
    data: Observations
    truth: Callable[[float], float]


def _judge(
    asked: _Asked, needed: float, coverage: dict[str, Coverage], refusals: Counter[str]
) -> None:
    """Add the intervals of one curve."""
    fit = curves_of(asked.data)
    for times in (1, 2, 4):
        images = float(times * SIZES[-1])
        tally = coverage.setdefault(f"{asked.scope}: score at {times} x largest", Coverage())
        tally.add(interval(fit.at(images)), asked.truth(images))
    result = answer(asked.data, fit, asked.truth(needed))
    if result.images is None:
        refusals[f"{asked.scope}: {' '.join(result.refusal.partition(':')[0].split()[:4])}"] += 1
    else:
        tally = coverage.setdefault(f"{asked.scope}: images at target", Coverage())
        tally.add(result.images, needed)


def main() -> None:
    """Print the coverage of every interval."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--curves", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--bend", type=float, default=0.0)
    args = parser.parse_args()
    began = time.monotonic()
    coverage, refusals = simulate(args.curves, seeds=args.seeds, bend=args.bend)
    for name, tally in sorted(coverage.items()):
        print(f"{name:42} {tally}")
    for reason, count in sorted(refusals.items()):
        print(f"refused, {reason}: {count}")
    print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
