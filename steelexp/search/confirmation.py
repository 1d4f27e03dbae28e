"""Train the best trials of a search again with new seeds, and say what was luck.

The best of many trials has a high score partly by luck. New seeds take the luck out: they had no
part in the choice. Each training is an ordinary run, CONFIRM/<trial>-seed-<seed>/ below the search.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from itertools import count, islice
from pathlib import Path
from typing import NamedTuple

from steelexp.comparison.differences import Strategy, difference, mean_interval, strategy
from steelexp.comparison.evaluated_run import EvaluatedRun, read_run
from steelexp.comparison.ratios import sums_of_runs
from steelexp.metric_names import MetricName, Part, full_name, parse_name
from steelexp.metrics import METRICS, PRIMARY
from steelexp.progress import duration, say
from steelexp.records.search_confirmation import Candidate, Confirmation, Interval, Lead
from steelexp.records.store import RunFolder
from steelexp.search.executor import Executor, Outcome, Trial
from steelexp.search.objectives import ranked
from steelexp.search.trials import Row, Trials
from steelexp.spec import ExperimentSpec, read_resolved
from steelexp.spec.objective import first_objective, objectives


def confirm(
    spec: ExperimentSpec,
    executor: Executor,
    trials: Trials,
    on_change: Callable[[], None],
) -> None:
    """Train what the journal does not have yet, from wherever an earlier session left it.

    Args:
        spec: Spec with a search.
        executor: Executor of the trainings.
        trials: Journal of the search, which has ended.
        on_change: Called after each training.
    """
    waiting = [each for each in confirmations(spec, trials) if each.id not in trials.confirmed]
    running: list[str] = []
    while waiting or running:
        while waiting and len(running) < executor.slots:
            trial = waiting.pop(0)
            running.append(trial.id)
            say(f"confirmation {trial.id}: seed {trial.seed}")
            executor.submit(trial)
        outcome = executor.next()
        running.remove(outcome.trial)
        trials.confirm(outcome)
        on_change()
        say(f"confirmation {outcome.trial}: {_result(spec, outcome)}")


def confirmations(spec: ExperimentSpec, trials: Trials) -> list[Trial]:
    """The trainings of a confirmation, the best trial first."""
    return [
        Trial(
            f"{row.trial.id}-seed-{seed}",
            row.trial.values,
            epochs=None if row.trial.epochs is None else row.outcome.epochs,
            seed=seed,
        )
        for row in best_rows(spec, trials)
        for seed in new_seeds(spec)
        if row.outcome is not None
    ]


def best_rows(spec: ExperimentSpec, trials: Trials) -> list[Row]:
    """The best trials with different settings, the best first."""
    if spec.search is None or spec.search.confirm is None:
        return []
    rows: list[Row] = []
    for row in ranked(trials.rows.values(), objectives(spec)):
        if all(row.trial.values != other.trial.values for other in rows):
            rows.append(row)
    return rows[: spec.search.confirm.top]


def new_seeds(spec: ExperimentSpec) -> list[int]:
    """Seeds from 1 that are neither that of the trials nor that of the proposals."""
    assert spec.search is not None
    assert spec.search.confirm is not None
    used = {spec.seed, spec.search.seed}
    free = (seed for seed in count(1) if seed not in used)
    return list(islice(free, spec.search.confirm.seeds))


def confirmation(spec: ExperimentSpec, folder: Path, trials: Trials) -> Confirmation | None:
    """What the confirmation has found so far; None without one.

    Args:
        spec: Spec with a search.
        folder: Folder of the search.
        trials: Its journal.
    """
    rows = best_rows(spec, trials)
    if not rows:
        return None
    name = reported_metric(spec)
    outcomes = [_outcomes(row, new_seeds(spec), trials) for row in rows]
    test_scores = [_test_scores(folder, each, name) for each in outcomes]
    candidates = list(map(_candidate, rows, outcomes, test_scores))
    is_complete = all(len(each) == len(new_seeds(spec)) for each in outcomes)
    sign = first_objective(spec).sign
    scored = [each for each in candidates if each.mean is not None]
    first = min(scored, key=lambda each: sign * (each.mean or 0.0), default=None)
    return Confirmation(
        status="finished" if is_complete else "running",
        seeds=new_seeds(spec),
        metric=full_name(name.metric, name.part, name.label),
        candidates=candidates,
        lead=_lead(candidates, test_scores, sign) if is_complete else None,
        first=None if first is None else first.trial,
    )


def reported_metric(spec: ExperimentSpec) -> MetricName:
    """The test metric of the first objective; of a cost or a loss the primary metric."""
    part, metric, label = parse_name(first_objective(spec).name)
    if part is None or not METRICS[metric].on_images:
        return MetricName("test", PRIMARY, None)
    return MetricName("test_post" if part == "val_post" else "test", metric, label)


def _outcomes(row: Row, seeds: Sequence[int], trials: Trials) -> list[Outcome]:
    names = [f"{row.trial.id}-seed-{seed}" for seed in seeds]
    return [trials.confirmed[name] for name in names if name in trials.confirmed]


def _candidate(row: Row, outcomes: Sequence[Outcome], test: "TestScores | None") -> Candidate:
    scores = [outcome.score for outcome in outcomes if outcome.score is not None]
    return Candidate(
        trial=row.trial.id,
        score=_score(row),
        scores=scores,
        mean=statistics.fmean(scores) if scores else None,
        spread=statistics.stdev(scores) if len(scores) > 1 else None,
        test=None if test is None else _interval(test),
        folders=[outcome.folder for outcome in outcomes],
        failed=[outcome.reason for outcome in outcomes if outcome.reason is not None],
    )


def _lead(
    candidates: Sequence[Candidate], scores: Sequence["TestScores | None"], sign: float
) -> Lead | None:
    if len(candidates) < 2 or candidates[0].mean is None or candidates[1].mean is None:
        return None
    best, other = candidates[:2]
    assert best.mean is not None
    assert other.mean is not None
    search = sign * (other.score - best.score)
    new = sign * (other.mean - best.mean)
    one, two = scores[:2]
    return Lead(
        over=other.trial,
        search=search,
        new=new,
        luck=search - new,
        test=None if one is None or two is None else _difference(one, two),
    )


class TestScores(NamedTuple):
    """Test metrics of the runs of one candidate.

    Attributes:
        strategy: Every class, then all.
        column: The column that is reported.
    """

    strategy: Strategy
    column: int


def _test_scores(folder: Path, outcomes: Sequence[Outcome], name: MetricName) -> TestScores | None:
    """The test metric of some runs; None without finished runs or test images."""
    part: Part = "test" if name.part is None else name.part
    runs = [_run(folder / each.folder, part) for each in outcomes if each.score is not None]
    evaluated = [run for run in runs if run is not None]
    if not evaluated:
        return None
    images = evaluated[0].images
    sums = sums_of_runs([run.counts for run in evaluated], images.groups, name.metric)
    column = -1 if name.label is None else images.classes.index(name.label)
    return TestScores(strategy(sums), column)


def _run(folder: Path, part: Part) -> EvaluatedRun | None:
    run = RunFolder(folder)
    record = run.record
    if record is None or not any(parse_name(metric).part == part for metric in record.metrics):
        return None
    return read_run(run, record, read_resolved(run.file("spec.yaml")), part)


def _interval(scores: TestScores) -> Interval | None:
    one, column = scores
    return _rounded(*(each[column] for each in (one.mean, *mean_interval(one))))


def _difference(one: TestScores, other: TestScores) -> Interval | None:
    each = difference(one.strategy, other.strategy)
    return _rounded(*(value[one.column] for value in (each.value, each.low, each.high)))


def _rounded(value: float, low: float, high: float) -> Interval | None:
    """An interval as it is saved; None for a metric that is 0 / 0."""
    if math.isnan(value):
        return None
    if math.isnan(low) or math.isnan(high):
        return Interval(value=round(float(value), 6), low=None, high=None)
    return Interval(
        value=round(float(value), 6), low=round(float(low), 6), high=round(float(high), 6)
    )


def _score(row: Row) -> float:
    assert row.outcome is not None
    assert row.outcome.score is not None
    return row.outcome.score


def _result(spec: ExperimentSpec, outcome: Outcome) -> str:
    if outcome.score is None:
        return f"failed: {outcome.reason}"
    return f"{first_objective(spec).name} {outcome.score:.4f}, {duration(outcome.seconds)}"
