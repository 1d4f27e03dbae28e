"""Whether a run that was run again says the same."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from rich.table import Table

from steelexp.metric_names import full_name, reported_part
from steelexp.metrics import METRICS
from steelexp.records.record import Record

UNCHANGED = (
    "Commit, packages, processor, instruction sets, cores and environment variables are the same."
)
_NAMES = {
    "dirty": "uncommitted changes",
    "instruction_sets": "instruction sets",
    "variables": "environment variables",
}
_MISSING = {"packages": "not installed", "variables": "not set"}


class Difference(NamedTuple):
    """A metric that is not what it was; None where a run has no such metric."""

    metric: str
    before: float | None
    after: float | None

    @property
    def size(self) -> float:
        """How far apart they are; infinite where one is missing."""
        if self.before is None or self.after is None:
            return float("inf")
        return abs(self.after - self.before)


def differences(before: Record, after: Record) -> list[Difference]:
    """Every metric that is not exactly the same, the largest difference first."""
    names = sorted(before.metrics.keys() | after.metrics.keys())
    pairs = (Difference(n, before.metrics.get(n), after.metrics.get(n)) for n in names)
    return sorted((pair for pair in pairs if pair.before != pair.after), key=_largest_first)


def headline_table(before: Record, after: Record) -> Table:
    """Every metric over all classes, of both runs side by side."""
    part = reported_part(before.metrics)
    title = f"{before.name} {before.digest}, {part} images"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("metric")
    for head in ("reported", "again", "difference"):
        table.add_column(head, justify="right")
    for name in METRICS:
        key = full_name(name, part)
        pair = Difference(name, before.metrics.get(key), after.metrics.get(key))
        if pair.before is not None and pair.after is not None:
            change = pair.after - pair.before
            table.add_row(
                name,
                f"{pair.before:.4f}",
                f"{pair.after:.4f}",
                f"{change:+.4f}" if change else "none",
            )
    return table


def verdict(before: Record, after: Record, *, within: float) -> tuple[bool, list[str]]:
    """Whether all metrics agree, and lines that explain it.

    Args:
        before: Record of the reported run.
        after: Record of its repetition.
        within: Largest difference allowed in any metric.
    """
    changes = differences(before, after)
    total = len(before.metrics.keys() | after.metrics.keys())
    agrees = all(pair.size <= within for pair in changes)
    if not changes:
        return True, [f"All {total} metrics are exactly as reported."]
    line = (
        f"{len(changes)} of {total} metrics differ, at most by {changes[0].size:.2g} "
        f"({changes[0].metric}); {'all' if agrees else 'not all'} within {within:g}."
    )
    lines = [line, *_changes(before, after)]
    if before.epochs != after.epochs or before.best_epoch != after.best_epoch:
        lines.append(
            f"Epochs: {before.epochs}, the best {before.best_epoch}; "
            f"again {after.epochs}, the best {after.best_epoch}."
        )
    return agrees, lines


def _largest_first(pair: Difference) -> tuple[float, str]:
    return -pair.size, pair.metric


def _changes(before: Record, after: Record) -> Iterator[str]:
    """Differences between the two environments, which may explain those of the metrics."""
    old = _environment(before)
    new = _environment(after)
    shared = [key for key in new if key in old]
    unrecorded = [_NAMES.get(key, key) for key in new if key not in old]
    changes = [change for key in shared for change in _differences(key, old[key], new[key])]
    if changes:
        yield f"Changed since: {'; '.join(changes)}."
    elif not unrecorded:
        yield UNCHANGED
    if unrecorded:
        yield f"Not recorded by the earlier run: {', '.join(unrecorded)}."
    if not old.get("commit"):
        yield "The code may differ: the earlier run recorded no commit."
    elif old.get("dirty") and new.get("dirty"):
        yield "The code may differ: both ran with uncommitted changes; compare their changes.patch."


def _environment(record: Record) -> dict[str, Any]:
    """The recorded facts on which a metric can depend."""
    facts = {key: value for key, value in record.provenance.items() if key != "branch"}
    # Cores are a fact of their own: "CPU, 2 cores" is the device "CPU".
    return {"device": record.device.partition(",")[0]} | facts


def _differences(key: str, old: Any, new: Any) -> Iterator[str]:
    """The differences of one fact: one for each entry of a mapping, one for a whole list."""
    if old == new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in sorted(old.keys() | new.keys()):
            values = [side.get(name) or _MISSING.get(key, "none") for side in (old, new)]
            if values[0] != values[1]:
                yield f"{name} {values[0]} -> {values[1]}"
    elif isinstance(old, list) and isinstance(new, list):
        entries = [f"-{entry}" for entry in old if entry not in new]
        entries += [f"+{entry}" for entry in new if entry not in old]
        yield f"{_NAMES.get(key, key)} {' '.join(entries)}"
    else:
        yield f"{_NAMES.get(key, key)} {old} -> {new}"
