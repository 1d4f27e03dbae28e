"""When do more rules than a threshold pay? Simulated scores, rules tuned on few images.

    python benchmarks/postprocessing_guard.py

Defects and false alarms are cones of scores: an area, a peak, and a share of the area that is
labelled. False alarms are lower and smaller, or just like defects, or larger. Rules are tuned for
dice_kaggle on 10 to 87 images and applied to 400 others, 12 times each. Five policies are compared:

- a threshold alone
- all rules that fit the validation images best
- all rules if cross-validation shows a gain
- all rules if it shows a gain above a standard error
- all rules unless it shows a loss above a standard error, which is what steelexp does
"""

from typing import NamedTuple

import numpy as np

from steelexp.evaluation import postprocessing_search, rule_combinations
from steelexp.evaluation.component_areas import LEVELS, SIZES, ComponentAreas
from steelexp.evaluation.score_histograms import ScoreHistograms, grid_with

STRIPS = (10, 25, 87)
TESTED = 400
DRAWS = 12
PIXELS = 256 * 1600
THRESHOLDS = grid_with(0.5)
STEEPNESS = 0.5
"""Logits from a cone's foot to its peak, as a share of its area."""


class World(NamedTuple):
    """The predictions of a network on images.

    Attributes:
        share: Share of images with the class.
        alarms: False alarms per image.
        peak: Mean logit of a false alarm's peak. A defect's is 3.
        size: Median pixels of a false alarm.
        defect: Median pixels of a defect.
    """

    share: float
    alarms: float
    peak: float
    size: float
    defect: float = 2500


WORLDS = {
    "common, small low alarms": World(0.4, 1.0, 0.5, 150),
    "common, alarms like defects": World(0.4, 0.5, 2.0, 2000),
    "rare, small high alarms": World(0.1, 0.5, 2.0, 100),
    "rare, alarms like defects": World(0.1, 0.3, 2.5, 2000),
    "common, alarms just like defects": World(0.4, 0.5, 3.0, 2500),
    "small defects, large alarms": World(0.4, 0.3, 1.0, 2500, defect=300),
    "no alarms": World(0.4, 0.0, 0.0, 1.0),
}


def simulate(world, images, random):
    """Histograms and component areas of one class on some images."""
    levels = np.union1d(THRESHOLDS, LEVELS)
    logits = np.log(levels / (1 - levels))
    tp, predicted = np.zeros((2, images, len(levels)))
    areas = np.zeros((2, images, 1, len(LEVELS), len(SIZES)), np.int64)
    truth = np.zeros(images)
    level_indices = np.searchsorted(levels, LEVELS)
    for s in range(images):
        for real in cones(world, random):
            size = random.lognormal(np.log(world.defect if real else world.size), 1.0)
            peak = random.normal(3.0 if real else world.peak, 2.0)
            area = np.rint(size * np.clip((peak - logits) * STEEPNESS, 0, 1.3))
            hit = np.minimum(np.rint(0.85 * area), np.rint(size)) * real
            truth[s] += np.rint(size) * real
            tp[s] += hit
            predicted[s] += area
            is_large = area[level_indices, None] >= np.array(SIZES)
            areas[0, s, 0] += (is_large * area[level_indices, None]).astype(np.int64)
            areas[1, s, 0] += (is_large * hit[level_indices, None]).astype(np.int64)
    own = np.searchsorted(levels, THRESHOLDS)
    scores = ScoreHistograms(
        THRESHOLDS,
        binned(tp[:, own], truth)[:, None],
        binned((predicted - tp)[:, own], PIXELS - truth)[:, None],
    )
    return scores, ComponentAreas(*areas)


def cones(world, random):
    """Whether each cone of an image is a defect."""
    defects = random.integers(1, 4) if random.random() < world.share else 0
    return [True] * defects + [False] * random.poisson(world.alarms)


def binned(reaching, total):
    """[S, K] pixels that reach each threshold -> [S, K + 1] pixels in each bin."""
    edges = np.concatenate([total[:, None], reaching, np.zeros((len(total), 1))], axis=1)
    return -np.diff(edges).astype(np.int64)


def gains(world, images, random):
    """Gain in dice_kaggle of each policy over the threshold 0.5, on other images."""
    tuned, tested = (
        rule_combinations.class_rules(*simulate(world, n, random), 0, "dice_kaggle")
        for n in (images, TESTED)
    )
    rows = np.arange(images)
    holds = tuned.gain.max(axis=0) > 0
    total = tuned.totals(rows)
    half = (tuned.masks.index((0.5, 0)), 0, 0)
    threshold, everything = (tuned.best(total, simple=simple) for simple in (True, False))
    differences = cross_validated_gains(tuned, rows, holds)
    policies = {
        "threshold": threshold,
        "all rules": everything,
        "if CV > 0": everything if differences.sum() > 0 else threshold,
        "if CV > SE": everything
        if differences.sum() > postprocessing_search.standard_error(differences)
        else threshold,
        "unless CV < -SE": threshold
        if differences.sum() < -postprocessing_search.standard_error(differences)
        else everything,
    }
    rows_tested = np.arange(TESTED)
    before = tested.gained(half, rows_tested).mean()
    return {
        name: tested.gained(rules, rows_tested).mean() - before for name, rules in policies.items()
    }


def cross_validated_gains(rules, rows, holds):
    """Gain of all rules over a threshold, on images that neither was tuned on."""
    return postprocessing_search.gained_by_more(
        rules, postprocessing_search.fold_numbers(rows, holds)
    )


def main():
    """Print a table for each world."""
    for name, world in WORLDS.items():
        print(f"\n{name}: gain in dice_kaggle over the threshold 0.5, x 1000")
        for images in STRIPS:
            random = np.random.default_rng(images)
            gains_of_draws = [gains(world, images, random) for _ in range(DRAWS)]
            means = {
                rules: 1000 * np.mean([each[rules] for each in gains_of_draws])
                for rules in gains_of_draws[0]
            }
            row = "  ".join(f"{rules} {mean:6.1f}" for rules, mean in means.items())
            print(f"  {images:4} validation images: {row}", flush=True)


if __name__ == "__main__":
    main()
