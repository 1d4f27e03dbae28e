"""Test the conclusions of the imbalance study from its published table of runs.

    python benchmarks/imbalance_claims.py docs/results/neu_seg_imbalance/runs.csv

The table has a row for each metric, class, strategy and seed, as analysis/compare_strategies.py
writes it. Post-processed runs have the suffix ", post-processed". Four questions are tested:

- Sampling: balanced against uniform sampling in dice_kaggle, over Dice and cross-entropy plus Dice.
  The effect is the mean of the two differences, its interval Student's t with Welch's degrees of
  freedom over the seeds. The spread of the test images is not included.
- Rules: the same effect after post-processing, and the part of it that post-processing removes.
- Collapse: runs without any detected scratches, cross-entropy plus Dice with uniform sampling
  against the strategies with a Dice loss, by Fisher's exact test.
- Spread: equal variance of dice_positive over the seeds, by the test of Brown and Forsythe over all
  strategies, and by the F test of copy-paste against Dice.

The questions arose from the same figures, so the p-values are too small.
"""

import sys

import numpy as np
import pandas as pd
from scipy import stats

POST = ", post-processed"
UNIFORM = ("dice", "bce_dice")
BALANCED = ("dice_class_balanced", "bce_dice_class_balanced")
WITH_DICE = ("dice", "dice_class_balanced", "dice_class_weights", "dice_copy_paste", BALANCED[1])


def main(path: str) -> None:
    """Print the answer to each question."""
    runs = pd.read_csv(path)
    runs["strategy"] = runs["strategy"].str.replace("round_robin", "class_balanced")  # version 0.1
    kaggle, positive = (table(runs, metric, "all") for metric in ("dice_kaggle", "dice_positive"))
    print("sampling, dice_kaggle at 0.5:", sampling_effect(kaggle))
    after = {name.removesuffix(POST): run for name, run in kaggle.items() if name.endswith(POST)}
    if after:
        print("sampling, post-processed:", sampling_effect(after))
        removed = {name: kaggle[name] - run for name, run in after.items()}
        print("removed by post-processing:", sampling_effect(removed))
    else:
        print("sampling, post-processed: the table has no post-processed runs")
    print("collapse on scratches:", collapse(table(runs, "dice_positive", "scratches")))
    print("spread, dice_positive:", spread(positive))


def table(runs: pd.DataFrame, metric: str, label: str) -> dict[str, np.ndarray]:
    """Values of each strategy in the order of the seeds."""
    rows = runs[(runs["metric"] == metric) & (runs["class"] == label)].sort_values("seed")
    return {name: part["value"].to_numpy() for name, part in rows.groupby("strategy")}


def sampling_effect(runs: dict[str, np.ndarray]) -> str:
    """Mean difference of balanced and uniform sampling, with its interval and p-value."""
    cells = [runs[name] for name in (*BALANCED, *UNIFORM)]
    effect = float(np.dot([0.5, 0.5, -0.5, -0.5], [cell.mean() for cell in cells]))
    parts = np.array([cell.var(ddof=1) / len(cell) / 4 for cell in cells])
    error = float(np.sqrt(parts.sum()))
    freedom = parts.sum() ** 2 / sum(
        part**2 / (len(cell) - 1) for part, cell in zip(parts, cells, strict=True)
    )
    half = stats.t.ppf(0.975, freedom) * error
    p = 2 * stats.t.sf(abs(effect) / error, freedom)
    return f"{effect:+.3f} ({effect - half:+.3f} to {effect + half:+.3f}), p = {p:.4f}"


def collapse(scratches: dict[str, np.ndarray]) -> str:
    """Fisher's exact test of runs with dice_positive 0."""
    zero = int((scratches["bce_dice"] == 0).sum())
    others = np.concatenate([scratches[name] for name in WITH_DICE])
    zeros = int((others == 0).sum())
    sides = [[zero, len(scratches["bce_dice"]) - zero], [zeros, len(others) - zeros]]
    p = stats.fisher_exact(sides).pvalue
    return f"{zero} of {sum(sides[0])} against {zeros} of {sum(sides[1])}, p = {p:.2f}"


def spread(positive: dict[str, np.ndarray]) -> str:
    """Tests of equal variance over the seeds."""
    plain = {name: run for name, run in positive.items() if not name.endswith(POST)}
    every = stats.levene(*plain.values(), center="median").pvalue
    ratio = plain["dice"].var(ddof=1) / plain["dice_copy_paste"].var(ddof=1)
    freedom = (len(plain["dice"]) - 1, len(plain["dice_copy_paste"]) - 1)
    p = min(1.0, 2 * min(stats.f.sf(ratio, *freedom), stats.f.cdf(ratio, *freedom)))
    return f"all strategies p = {every:.2f}; copy-paste against Dice p = {p:.2f}"


if __name__ == "__main__":
    main(sys.argv[1])
