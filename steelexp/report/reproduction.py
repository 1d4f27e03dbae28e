"""Whether a run that was run again says the same."""

import shlex
from collections.abc import Iterator
from typing import Any, NamedTuple

from rich.table import Table

from steelexp.metric_names import full_name, reported_part
from steelexp.metrics import METRICS
from steelexp.records.provenance_changes import Facts, Files, changes, unrecorded
from steelexp.records.record import Record

UNCHANGED = (
    "Code, packages, processor, instruction sets, cores and environment variables are the same."
)


class Difference(NamedTuple):
    """A reported metric that is not what it was; None where the repetition has no such metric."""

    metric: str
    before: float
    after: float | None

    @property
    def size(self) -> float:
        """How far apart they are; infinite where the repetition lacks it."""
        if self.after is None:
            return float("inf")
        return abs(self.after - self.before)


def differences(before: Record, after: Record) -> list[Difference]:
    """Every reported metric that is not exactly the same, the largest difference first.

    A metric of the repetition alone was not reported, so it cannot differ.
    """
    pairs = (Difference(n, v, after.metrics.get(n)) for n, v in sorted(before.metrics.items()))
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
        if key in before.metrics and key in after.metrics:
            reported = before.metrics[key]
            again = after.metrics[key]
            change = again - reported
            words = f"{change:+.4f}" if change else "none"
            table.add_row(name, f"{reported:.4f}", f"{again:.4f}", words)
    return table


def verdict(before: Record, after: Record, *, within: float) -> tuple[bool, list[str]]:
    """Whether all metrics agree, and lines that explain it.

    Args:
        before: Record of the reported run.
        after: Record of its repetition.
        within: Largest difference allowed in any metric.
    """
    pairs = differences(before, after)
    total = len(before.metrics)
    agrees = all(pair.size <= within for pair in pairs)
    new = len(after.metrics.keys() - before.metrics.keys())
    news = [f"Metrics that were not reported, so not compared: {new}."] if new else []
    if not pairs:
        return True, [f"All {total} metrics are exactly as reported.", *news]
    line = (
        f"{len(pairs)} of {total} metrics differ, at most by {pairs[0].size:.2g} "
        f"({pairs[0].metric}); {'all' if agrees else 'not all'} within {within:g}."
    )
    lines = [line, *news]
    if before.epochs != after.epochs or before.best_epoch != after.best_epoch:
        lines.append(
            f"Epochs: {before.epochs}, the best {before.best_epoch}; "
            f"again {after.epochs}, the best {after.best_epoch}."
        )
    return agrees, lines


def change_lines(before: Facts, now: Facts, files: Files | None, files_now: Files) -> list[str]:
    """What differs in code, packages and machine, which may explain other metrics.

    Args:
        before: Provenance of the reported run.
        now: Provenance of its repetition.
        files: Hash of each source file of the first; None if not recorded.
        files_now: Hash of each source file of the second.
    """
    words = changes(before, now, files, files_now)
    missing = unrecorded(before, now)
    lines = []
    if words:
        lines.append(f"Changed since: {'; '.join(words)}.")
    elif not missing:
        lines.append(UNCHANGED)
    if missing:
        lines.append(f"Not recorded by the earlier run: {', '.join(missing)}.")
    lines += _diff_command(before, now, files, files_now)
    if earlier := before.get("earlier_sessions"):
        lines.append(f"Its own sessions differ: {_each(earlier)}.")
    if later := before.get("evaluation_changes"):
        lines.append(f"Its metrics were evaluated again after this changed: {'; '.join(later)}.")
    return lines


def _diff_command(
    before: Facts, now: Facts, files: Files | None, files_now: Files
) -> Iterator[str]:
    """The command that shows changed code; a commit that had changes does not say what ran."""
    if files is None or not before.get("commit") or before.get("dirty") or not now.get("commit"):
        return
    every = sorted(files.keys() | files_now.keys())
    if names := [name for name in every if files.get(name) != files_now.get(name)]:
        yield f"To see it: git diff {before['commit'][:12]} -- {shlex.join(names[:10])}"


def _each(earlier: Any) -> str:
    return "; ".join("; ".join(map(str, session)) for session in earlier)


def _largest_first(pair: Difference) -> tuple[float, str]:
    return -pair.size, pair.metric
