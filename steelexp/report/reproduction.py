"""Whether a run that was run again says the same."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from rich.markup import escape
from rich.table import Table

from steelexp.records.record import Record
from steelexp.report.tables import reported

HEADLINES = ("dice_positive", "dice_kaggle", "dice_pooled", "dice_batch")


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
    """The headline metrics of both, side by side."""
    prefix, part = reported(before.metrics)
    title = f"{before.name} {before.digest}, {part} images"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("metric")
    for head in ("reported", "again", "difference"):
        table.add_column(head, justify="right")
    for name in HEADLINES:
        pair = Difference(
            name,
            before.metrics.get(f"{prefix}_{name}"),
            after.metrics.get(f"{prefix}_{name}"),
        )
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
    """Whether all metrics agree, and what there is to say about it.

    Args:
        before: of the run as it was reported.
        after: of the same spec, data and seed.
        within: the largest difference of any metric that still agrees.
    """
    found, total = differences(before, after), len(before.metrics.keys() | after.metrics.keys())
    agrees = all(pair.size <= within for pair in found)
    if not found:
        return True, [f"All {total} metrics are exactly as reported."]
    line = (
        f"{len(found)} of {total} metrics differ, at most by {found[0].size:.2g} "
        f"({found[0].metric}); {'all' if agrees else 'not all'} within {within:g}."
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


def _changes(before: Record, after: Record) -> Iterable[str]:
    """What else is not as it was, and may be why."""
    old, new = _facts(before), _facts(after)
    changed = [f"{key} {old.get(key)} -> {new.get(key)}" for key in old if old[key] != new.get(key)]
    if changed:
        yield escape(f"Changed since: {'; '.join(changed)}.")
    else:
        yield "Code, packages and machine are the same."


def _facts(record: Record) -> dict[str, Any]:
    facts: Mapping[str, Any] = record.provenance
    flat = {key: value for key, value in facts.items() if not isinstance(value, Mapping)}
    return {"device": record.device} | flat | dict(facts.get("packages", {}))
