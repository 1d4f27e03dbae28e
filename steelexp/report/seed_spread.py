"""Whether a difference is within the spread of a run's seeds.

Where bits cannot agree, on another processor for instance, a repetition is another draw of what a
seed draws. Definition: the spread of a metric is the largest difference between two of the finished
runs that lie beside the run and differ from it in the seed alone, the run itself among them. A
repetition is within it if it differs from the run by no more.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from steelexp.comparison.comparability import conditions, strategy_settings
from steelexp.errors import UserError
from steelexp.metric_names import PARTS, full_name
from steelexp.metrics import HEADLINES
from steelexp.records.record import Record
from steelexp.records.store import RunFolder, run_folders
from steelexp.spec import read_resolved


class Spread(NamedTuple):
    """A headline metric of a run, of its repetition and of its seeds.

    Attributes:
        metric: Full name of the metric.
        difference: Difference of the repetition, without sign.
        spread: Largest difference between two seeds.
    """

    metric: str
    difference: float
    spread: float

    @property
    def is_within(self) -> bool:
        """Whether the repetition is within the spread."""
        return self.difference <= self.spread


def other_seeds(folder: RunFolder, record: Record) -> list[Record]:
    """Finished runs beside a run that differ from it in the seed alone, by ascending seed."""
    wanted = strategy_settings(read_resolved(folder.path / "spec.yaml"))
    records: dict[int, Record] = {}
    for other in run_folders(folder.path.parent):
        try:
            candidate = other.record
            settings = strategy_settings(read_resolved(other.path / "spec.yaml"))
        except UserError:
            continue  # damaged: it says nothing of the spread
        if candidate is None or candidate.seed == record.seed or settings != wanted:
            continue
        if conditions(candidate) == conditions(record):
            records.setdefault(candidate.seed, candidate)
    return [records[seed] for seed in sorted(records)]


def spreads(before: Record, after: Record, others: Iterable[Record]) -> list[Spread]:
    """The headline metrics that all seeds have."""
    names = [full_name(metric, part) for part in PARTS for metric in HEADLINES]
    seeds = [before, *others]
    rows = []
    for name in names:
        values = [record.metrics[name] for record in seeds if name in record.metrics]
        if len(values) == len(seeds) and name in after.metrics:
            difference = abs(after.metrics[name] - before.metrics[name])
            rows.append(Spread(name, difference, max(values) - min(values)))
    return rows


def spread_lines(before: Record, after: Record, others: Sequence[Record]) -> list[str]:
    """The second verdict: within the seeds' spread or not, with the numbers."""
    if not others:
        return ["No finished run beside it differs in the seed alone, so no spread is known."]
    rows = spreads(before, after, others)
    within = bool(rows) and all(row.is_within for row in rows)
    numbers = "; ".join(
        f"{row.metric} differs by {row.difference:.2g}, seeds by {row.spread:.2g}" for row in rows
    )
    verdict = f"{'Within' if within else 'NOT within'} the spread of its {len(others) + 1} seeds"
    return [f"{verdict} (the largest difference between two of them): {numbers}."]
