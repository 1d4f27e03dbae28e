"""Strategies beside a baseline: the rows of every table and every figure.

A strategy is called higher or lower than the baseline where two tests agree, each corrected by Holm
over its family. The p of the interval asks whether the strategies differ, seeds and surfaces
allowed for; Wilcoxon's signed ranks ask whether the surfaces side with one of them rather than a
few large differences. Signed ranks alone do not do: they take the trained networks as given, and
two sets of seeds of one and the same strategy then "differ" far more often than 5 % of the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from analysis.strategies.evaluated_run import EvaluatedImages, EvaluatedRun, RunError, Values
from analysis.strategies.evaluated_runs import EvaluatedRuns
from analysis.strategies.paired_bootstrap import METRICS, Difference, Sums, differences, per_run
from analysis.strategies.signed_ranks import SignedRanks, group_differences, holm, signed_ranks

HEADLINE: Final = "dice_positive"  # the metric that is tested; of others there are intervals
ALL: Final = "all"
ALPHA: Final = 0.05
TOLERANCE: Final = 1e-9
NAN: Final = float("nan")
UNTESTED: Final = SignedRanks(p=NAN, effect=NAN, groups=0)


@dataclass(frozen=True)
class Row:
    """A strategy beside the baseline, on one class or on all; NaN where undefined.

    Attributes:
        metric: "dice_positive" or "dice_kaggle".
        label: name of the class, or "all": the mean over classes.
        strategy: spec name.
        baseline: spec name.
        runs: of the strategy.
        baseline_runs: of the baseline.
        images: that count: for dice_positive those that hold the class.
        groups: of near-duplicates among them.
        mean: over the runs.
        sd: standard deviation over the runs; NaN of one run.
        baseline_mean: likewise.
        difference: mean - baseline_mean.
        low: of the 95 % interval of the difference.
        high: of it.
        group_error: standard error of the difference, from the choice of surfaces.
        run_error: from the seeds; NaN where neither strategy has two runs.
        p: of the interval: one that leaves out p just reaches zero.
        p_holm: corrected.
        wilcoxon_p: of the signed ranks of the groups that hold the class.
        wilcoxon_holm: corrected.
        rank_biserial: effect size of the signed ranks, -1 to 1.
        verdict: "higher", "lower", "no difference shown", or "" where nothing was tested.
    """

    metric: str
    label: str
    strategy: str
    baseline: str
    runs: int
    baseline_runs: int
    images: int
    groups: int
    mean: float
    sd: float
    baseline_mean: float
    difference: float
    low: float
    high: float
    group_error: float
    run_error: float
    p: float
    p_holm: float
    wilcoxon_p: float
    wilcoxon_holm: float
    rank_biserial: float
    verdict: str


@dataclass(frozen=True)
class Comparison:
    """What the tables and figures are made of.

    Attributes:
        evaluated: the runs.
        baseline: spec name.
        rows: per metric, class ("all" first) and strategy, in the order of the runs.
        scores: metric -> strategy -> [R, C + 1] of each run, all classes last.
    """

    evaluated: EvaluatedRuns
    baseline: str
    rows: tuple[Row, ...]
    scores: Mapping[str, Mapping[str, Values]]

    def of(self, metric: str, label: str) -> list[Row]:
        """The rows of one metric and class."""
        return [row for row in self.rows if (row.metric, row.label) == (metric, label)]

    @property
    def labels(self) -> list[str]:
        """All classes, then each."""
        return [ALL, *self.evaluated.images.classes]


def compare(evaluated: EvaluatedRuns, baseline: str, *, draws: int, seed: int) -> Comparison:
    """Compare every strategy with the baseline.

    Args:
        evaluated: runs on the same images.
        baseline: a strategy among them.
        draws: of the bootstrap.
        seed: of the draws.

    Raises:
        RunError: there is no such baseline or nothing beside it, or a record's metric is not what
            its images give.
    """
    names = list(evaluated.strategies)
    if baseline not in names:
        raise RunError(f"--baseline {baseline}: no finished run has that name; {', '.join(names)}")
    if len(names) == 1:
        raise RunError(f"only runs of {baseline}; give those of another strategy too")
    dice = {
        name: np.stack([run.dice for run in runs])  # [R, S, C]
        for name, runs in evaluated.strategies.items()
    }
    rows, scores = contrast(dice, evaluated.images, baseline, draws=draws, seed=seed)
    for metric, found in scores.items():
        for name, runs in evaluated.strategies.items():
            for run, value in zip(runs, found[name][:, -1].tolist(), strict=True):
                _agrees(run, metric, value)
    return Comparison(evaluated, baseline, rows, scores)


def contrast(
    dice: Mapping[str, Values], images: EvaluatedImages, baseline: str, *, draws: int, seed: int
) -> tuple[tuple[Row, ...], dict[str, dict[str, Values]]]:
    """Set every strategy against the baseline, in every metric.

    Args:
        dice: strategy -> [R, S, C].
        images: what they were evaluated on.
        baseline: a key of `dice`.
        draws: of the bootstrap.
        seed: of the draws.

    Returns:
        The rows and the scores of a `Comparison`.
    """
    others = [name for name in dice if name != baseline]
    rows: list[Row] = []
    scores = {}
    for metric, summed in METRICS.items():
        sums = {name: summed(each, images.held, images.groups) for name, each in dice.items()}
        beside = [sums[name] for name in others]
        found = differences(sums[baseline], beside, draws=draws, seed=seed)
        tests = [_signed_ranks(metric, sums[baseline], each) for each in beside]
        scores[metric] = {name: per_run(each) for name, each in sums.items()}
        labels = [(ALL, len(images.classes)), *((c, n) for n, c in enumerate(images.classes))]
        rows += [
            _row(metric, label, place, name, baseline, images, scores[metric], *each)
            for label, place in labels
            for name, each in zip(others, zip(found, tests, strict=True), strict=True)
        ]
    return tuple(_decided(rows)), scores


def _agrees(run: EvaluatedRun, metric: str, value: float) -> None:
    """Refuse a record whose metric is not what its images give: one of the two is another run's."""
    recorded = run.metric(metric)
    if not abs(recorded - value) <= TOLERANCE:
        raise RunError(
            f"{run.label}: its record has {metric} {recorded:.6f}, its images give {value:.6f}; "
            "run it again"
        )


def _signed_ranks(metric: str, baseline: Sums, sums: Sums) -> list[SignedRanks]:
    """Per class, all classes last; the headline is all that is tested."""
    if metric != HEADLINE:
        return [UNTESTED] * (sums.below.shape[1] + 1)
    return [signed_ranks(column) for column in group_differences(baseline, sums).T]


def _row(
    metric: str,
    label: str,
    place: int,
    name: str,
    baseline: str,
    images: EvaluatedImages,
    scores: Mapping[str, Values],
    found: Difference,
    tests: Sequence[SignedRanks],
) -> Row:
    mine, its = scores[name][:, place], scores[baseline][:, place]
    counted = np.ones_like(images.held) if metric != HEADLINE else images.held  # [S, C]
    here = counted.any(axis=1) if label == ALL else counted[:, place]
    one_run = len(mine) == len(its) == 1
    return Row(
        metric=metric,
        label=label,
        strategy=name,
        baseline=baseline,
        runs=len(mine),
        baseline_runs=len(its),
        images=int(here.sum()),
        groups=len(np.unique(images.groups[here])),
        mean=float(mine.mean()),
        sd=float(mine.std(ddof=1)) if len(mine) > 1 else NAN,
        baseline_mean=float(its.mean()),
        difference=float(found.value[place]),
        low=float(found.low[place]),
        high=float(found.high[place]),
        group_error=float(found.group_error[place]),
        run_error=NAN if one_run else float(found.run_error[place]),
        p=float(found.p[place]) if metric == HEADLINE else NAN,
        p_holm=NAN,
        wilcoxon_p=tests[place].p,
        wilcoxon_holm=NAN,
        rank_biserial=tests[place].effect,
        verdict="",
    )


def _decided(rows: Sequence[Row]) -> list[Row]:
    """Correct within two families, the strategies on all classes and those on each, and evaluate."""
    decided = list(rows)
    for overall in (True, False):
        family = [
            n
            for n, row in enumerate(rows)
            if row.metric == HEADLINE and (row.label == ALL) == overall
        ]
        by_interval = holm(np.array([rows[n].p for n in family]))
        by_ranks = holm(np.array([rows[n].wilcoxon_p for n in family]))
        for n, p, ranks in zip(family, by_interval.tolist(), by_ranks.tolist(), strict=True):
            row = replace(rows[n], p_holm=p, wilcoxon_holm=ranks)
            decided[n] = replace(row, verdict=_verdict(row))
    return decided


def _verdict(row: Row) -> str:
    if np.isnan(row.p_holm) or np.isnan(row.wilcoxon_holm):
        return ""
    if max(row.p_holm, row.wilcoxon_holm) > ALPHA or row.difference * row.rank_biserial <= 0:
        return "no difference shown"
    return "higher" if row.difference > 0 else "lower"
