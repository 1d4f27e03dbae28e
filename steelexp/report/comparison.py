"""Runs that were evaluated on the same images, strategy beside strategy."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from steelexp.comparison.comparability import comparable, conditions, describe_data
from steelexp.comparison.differences import Difference, Strategy, difference, strategy
from steelexp.comparison.evaluated_run import EvaluatedRun, read_run
from steelexp.comparison.evaluated_runs import by_strategy
from steelexp.comparison.ratios import sums_of_runs
from steelexp.errors import UserError
from steelexp.metrics import PRIMARY
from steelexp.report.runs import Run
from steelexp.report.selection import best_strategies

MOST_RUNS = 4
"""Runs in a line."""


class Change(NamedTuple):
    """A strategy beside the baseline.

    Attributes:
        name: Spec name.
        strategy: Its runs.
        difference: Strategy minus baseline.
        seeds: Whether both have several runs; otherwise the luck of the seed is not in the
            interval, and it decides nothing.
    """

    name: str
    strategy: Strategy
    difference: Difference
    seeds: bool


class Comparison(NamedTuple):
    """Strategies on the same images.

    Attributes:
        title: Data set and images.
        classes: Names.
        runs: Runs that are compared.
        strategies: Spec name -> its runs; empty where none could be read.
        left_out: Reasons why runs are not among them.
        not_shown: Number of strategies that a page has no place for.
    """

    title: str
    classes: tuple[str, ...]
    runs: tuple[Run, ...]
    strategies: dict[str, Strategy]
    left_out: tuple[str, ...]
    not_shown: int

    def baseline(self, wanted: str | None) -> str:
        """The first baseline: the wanted strategy, or that of the shortest name.

        Variants are named after what they add: dice, dice_class_weights.
        """
        if wanted is not None and wanted in self.strategies:
            return wanted
        return default_baseline(self.strategies)

    def against(self, name: str) -> list[Change]:
        """Every strategy beside the named one."""
        base = self.strategies[name]
        return [
            Change(label, each, difference(each, base), min(each.runs, base.runs) > 1)
            for label, each in self.strategies.items()
        ]


def default_baseline(names: Iterable[str]) -> str:
    """The strategy of the shortest name: variants are named after what they add."""
    return min(names, key=len)


def comparisons(runs: Iterable[Run], baseline: str | None = None) -> list[Comparison]:
    """Group finished runs that may be compared; the largest group first, single runs not at all.

    Args:
        runs: Runs; unfinished ones are passed over.
        baseline: Strategy that is compared in any case.
    """
    groups: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        if run.record is not None and run.parts is not None and run.images:
            key = (*conditions(run.record).values(), run.reported_part)
            groups.setdefault(key, []).append(run)
    several = [each for each in groups.values() if len(each) > 1]
    return [_compare(each, baseline) for each in sorted(several, key=lambda each: -len(each))]


def runs_apart(runs: Iterable[Run]) -> list[str]:
    """A line about each data set whose runs are not compared, because it or its split changed.

    Args:
        runs: Runs; unfinished ones are passed over.
    """
    groups: dict[str, dict[tuple[str, str], list[Run]]] = {}
    for run in runs:
        if run.record is not None and run.parts is not None:
            state = (run.record.data, run.parts.digest)
            groups.setdefault(run.data, {}).setdefault(state, []).append(run)
    return [
        f"{data}: {'; '.join(map(_state_words, states.values()))}"
        for data, states in groups.items()
        if len(states) > 1
    ]


def _state_words(runs: Sequence[Run]) -> str:
    """The versions of some runs on the same images, and the runs."""
    assert runs[0].parts is not None
    labels = [run.label for run in runs[:MOST_RUNS]]
    rest = f" and {len(runs) - MOST_RUNS} more" if len(runs) > MOST_RUNS else ""
    return f"{_versions(runs[0])} ({runs[0].parts.digest[:8]}): {', '.join(labels)}{rest}"


def _versions(run: Run) -> str:
    assert run.record is not None
    return describe_data(run.record)


def _compare(runs: Sequence[Run], baseline: str | None) -> Comparison:
    by_name: dict[str, list[Run]] = {}
    for run in runs:
        by_name.setdefault(run.name, []).append(run)
    always = baseline if baseline in by_name else default_baseline(by_name)
    names = set(best_strategies(by_name, always))
    readable: list[EvaluatedRun] = []
    left_out: list[str] = []
    for run in runs:
        if run.name not in names:
            continue
        try:
            readable.append(_read(run))
        except UserError as error:
            left_out.append(str(error))
    accepted, reasons = comparable(readable)
    strategies = {
        name: strategy(sums_of_runs([run.counts for run in each], each[0].images.groups, PRIMARY))
        for name, each in sorted(by_strategy(accepted).items())
    }
    first = runs[0]
    folders = {run.folder.path for run in accepted}
    return Comparison(
        title=f"{first.data}, {_versions(first)}: {first.images} {first.reported_part} images",
        classes=accepted[0].images.classes if accepted else (),
        runs=tuple(run for run in runs if run.folder.path in folders),
        strategies=strategies,
        left_out=(*left_out, *reasons),
        not_shown=len(by_name) - len(names),
    )


def _read(run: Run) -> EvaluatedRun:
    assert run.record is not None
    if run.spec is None:
        raise UserError(f"{run.folder.path}: spec.yaml cannot be read; run it again")
    return read_run(run.folder, run.record, run.spec, run.reported_part)
