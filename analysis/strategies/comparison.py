"""Strategies beside a baseline: the rows of every table and every figure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from steelexp.comparison.differences import Difference, difference, strategy
from steelexp.comparison.evaluated_run import EvaluatedImages, EvaluatedRun
from steelexp.comparison.evaluated_runs import EvaluatedRuns
from steelexp.comparison.ratios import sums_of_runs
from steelexp.comparison.verdicts import Significance, significance
from steelexp.counts import Counts, Values
from steelexp.errors import UserError
from steelexp.metrics import COMPARED, PRIMARY

ALL: Final = "all"
TOLERANCE: Final = 1e-9
NAN: Final = float("nan")


@dataclass(frozen=True)
class Row:
    """A strategy beside the baseline, on one class or on all; NaN where undefined.

    Attributes:
        metric: One of COMPARED.
        label: Name of the class; "all" for the value over all classes.
        strategy: Spec name.
        baseline: Spec name.
        runs: Runs of the strategy.
        baseline_runs: Runs of the baseline.
        images: Images that count: for dice_positive those that hold the class, for empty_accuracy
            those that do not.
        groups: Groups of near-duplicates among them.
        mean: Mean over the runs.
        sd: Standard deviation over the runs; NaN for one run.
        baseline_mean: Mean over the baseline's runs.
        difference: mean - baseline_mean.
        low: Lower end of the 95 % interval of the difference.
        high: Upper end.
        group_error: Standard error of the difference, from the choice of surfaces.
        seed_error: Standard error from the seeds; NaN where one of the two has a single run.
        p: p of the interval: at level 1 - p it just reaches zero.
        p_holm: p, corrected by Holm.
        wilcoxon_p: p of the signed ranks of the groups that hold the class.
        wilcoxon_holm: wilcoxon_p, corrected by Holm.
        rank_biserial: Effect size of the signed ranks, -1 to 1.
        verdict: "higher", "lower", "no difference shown"; "" where nothing was tested.
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
    seed_error: float
    p: float
    p_holm: float
    wilcoxon_p: float
    wilcoxon_holm: float
    rank_biserial: float
    verdict: str


@dataclass(frozen=True)
class Comparison:
    """The content of the tables and figures.

    Attributes:
        evaluated: Runs that are compared.
        baseline: Spec name.
        tested: Metric that the verdicts are of.
        family: Strategies that were tested.
        rows: One per metric, class ("all" first) and strategy, in the order of the runs.
        scores: metric -> strategy -> [R, C + 1] value of each run, all classes last.
    """

    evaluated: EvaluatedRuns
    baseline: str
    tested: str
    family: tuple[str, ...]
    rows: tuple[Row, ...]
    scores: Mapping[str, Mapping[str, Values]]

    def of(self, metric: str, label: str) -> list[Row]:
        """The rows of one metric and class."""
        return [row for row in self.rows if (row.metric, row.label) == (metric, label)]

    @property
    def labels(self) -> list[str]:
        """All classes, then each."""
        return [ALL, *self.evaluated.images.classes]


def compare(
    evaluated: EvaluatedRuns,
    baseline: str,
    *,
    tested: str = PRIMARY,
    family: Collection[str] | None = None,
) -> Comparison:
    """Compare every strategy with the baseline.

    Args:
        evaluated: Runs on the same images.
        baseline: Name of a strategy among them.
        tested: Metric that the verdicts are of.
        family: Names of the strategies that are tested together; None for all.

    Raises:
        UserError: There is no such baseline or nothing beside it, or a record's metric is not what
            its images give.
    """
    names = list(evaluated.strategies)
    if baseline not in names:
        raise UserError(f"--baseline {baseline}: no finished run has that name; {', '.join(names)}")
    if len(names) == 1:
        raise UserError(f"only runs of {baseline}; give those of another strategy too")
    counts = {name: [run.counts for run in runs] for name, runs in evaluated.strategies.items()}
    members = tuple(
        name for name in names if name != baseline and (family is None or name in family)
    )
    rows, scores = contrast(counts, evaluated.images, baseline, tested, members)
    for metric, by_name in scores.items():
        for name, runs in evaluated.strategies.items():
            for run, value in zip(runs, by_name[name][:, -1].tolist(), strict=True):
                _check_record(run, metric, value)
    return Comparison(evaluated, baseline, tested, members, rows, scores)


def contrast(
    counts: Mapping[str, Sequence[Counts]],
    images: EvaluatedImages,
    baseline: str,
    tested: str,
    family: Sequence[str],
) -> tuple[tuple[Row, ...], dict[str, dict[str, Values]]]:
    """Set every strategy against the baseline, in every metric.

    Args:
        counts: Strategy -> pixels of each run.
        images: Images that they were evaluated on.
        baseline: A key of `counts`.
        tested: Metric that the verdicts are of.
        family: Strategies that are tested together.

    Returns:
        The rows and the scores of a `Comparison`.
    """
    others = [name for name in counts if name != baseline]
    labels = [(ALL, len(images.classes)), *((c, n) for n, c in enumerate(images.classes))]
    rows: list[Row] = []
    scores = {}
    for metric in COMPARED:
        sums = {name: sums_of_runs(each, images.groups, metric) for name, each in counts.items()}
        if not sums[baseline].denominators.any():  # every image holds every class
            continue
        runs = {name: strategy(each) for name, each in sums.items()}
        pairs = {name: (runs[name], sums[name]) for name in counts}
        tests: dict[str, Significance] = {}
        if metric == tested:
            outcomes = significance(pairs[baseline], [pairs[name] for name in family])
            tests = dict(zip(family, outcomes, strict=True))
        scores[metric] = {name: each.values for name, each in runs.items()}
        apart = [difference(runs[name], runs[baseline]) for name in others]
        rows += [
            _row(
                metric, label, place, name, baseline, images, scores[metric], each, tests.get(name)
            )
            for label, place in labels
            for name, each in zip(others, apart, strict=True)
        ]
    return tuple(rows), scores


def _check_record(run: EvaluatedRun, metric: str, value: float) -> None:
    """Refuse a record whose metric is not what its images give: one of them is another run's."""
    recorded = run.metric(metric)
    if not abs(recorded - value) <= TOLERANCE:
        raise UserError(
            f"{run.label}: its record has {metric} {recorded:.6f}, its images give {value:.6f}; "
            "run it again"
        )


def _row(
    metric: str,
    label: str,
    place: int,
    name: str,
    baseline: str,
    images: EvaluatedImages,
    scores: Mapping[str, Values],
    change: Difference,
    tests: Significance | None,
) -> Row:
    ours = scores[name][:, place]
    theirs = scores[baseline][:, place]
    pairs = _pairs(metric, images.has_class)
    here = pairs.any(axis=1) if label == ALL else pairs[:, place]
    return Row(
        metric=metric,
        label=label,
        strategy=name,
        baseline=baseline,
        runs=len(ours),
        baseline_runs=len(theirs),
        images=int(here.sum()),
        groups=len(np.unique(images.groups[here])),
        mean=float(ours.mean()),
        sd=float(ours.std(ddof=1)) if len(ours) > 1 else NAN,
        baseline_mean=float(theirs.mean()),
        difference=float(change.value[place]),
        low=float(change.low[place]),
        high=float(change.high[place]),
        group_error=float(change.group_error[place]),
        seed_error=float(change.seed_error[place]),
        p=float(tests.p[place]) if tests else NAN,
        p_holm=float(tests.p_holm[place]) if tests else NAN,
        wilcoxon_p=tests.ranks[place].p if tests else NAN,
        wilcoxon_holm=float(tests.ranks_holm[place]) if tests else NAN,
        rank_biserial=tests.ranks[place].effect if tests else NAN,
        verdict=tests.verdicts[place] if tests else "",
    )


def _pairs(metric: str, has_class: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which pairs of image and class a metric is about: [S, C]."""
    return {"dice_positive": has_class, "empty_accuracy": ~has_class}.get(
        metric, np.ones_like(has_class)
    )
