"""What the doctor found, for people."""

import shlex
from collections import defaultdict
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from steelexp.data.doctor.diagnosis import Diagnosis, class_table
from steelexp.data.issue import FIXES, Issue
from steelexp.progress import say, show

SHOWN = 10  # issues of a kind


def report(found: Diagnosis, written: Path) -> None:
    """Print tables, issues and what to do next.

    Args:
        found: by the doctor.
        written: doctor.json.
    """
    show(_classes(found))
    show(_co_occurrence(found))
    say("\n".join(_counts(found)))
    for line in _findings(found.issues):
        say(line)
    picture = written.with_name("overview.png")
    command = ["python", "analysis/dataset_overview.py", str(written), "--out", str(picture)]
    say(f"All figures, issues and near copies: {written}")
    say(f"Draw them: {shlex.join(command)}")


def _classes(found: Diagnosis) -> Table:
    table = Table(title="Classes", title_justify="left", title_style="bold")
    table.add_column("class", overflow="fold")
    heads = ("images", "components", "pixels", "of labelled", "mean area", "on black")
    for head in heads:
        table.add_column(head, justify="right")
    for row in class_table(found):
        counts = (f"{row[key]:,}" for key in ("images", "components", "pixels"))
        shares = (
            _percent(row[key]) for key in ("share_of_labelled", "mean_area", "share_on_black")
        )
        table.add_row(escape(row["class"]), *counts, *shares)
    return table


def _co_occurrence(found: Diagnosis) -> Table:
    table = Table(title="Images that hold both", title_justify="left", title_style="bold")
    table.add_column("class", overflow="fold")
    for name in found.classes:
        table.add_column(escape(name), justify="right", overflow="fold")
    counts = found.statistics.co_occurrence
    for c, name in enumerate(found.classes):
        table.add_row(escape(name), *(f"{counts[c, d]:,}" for d in range(len(found.classes))))
    return table


def _counts(found: Diagnosis) -> list[str]:
    sizes: dict[str, int] = defaultdict(int)
    for size in found.statistics.sizes:
        sizes["cannot be read" if size is None else f"{size[0]} x {size[1]}"] += 1
    usual = sorted(sizes.items(), key=lambda entry: -entry[1])
    listed = ", ".join(f"{size}: {count:,}" for size, count in usual[:SHOWN])
    rest = f", and {len(usual) - SHOWN} other sizes" if len(usual) > SHOWN else ""
    unknown = f", {found.unknown:,} unknown" if found.unknown else ""
    copies = found.copies
    return [
        f"{len(found.names):,} images, {found.clean:,} of them clean{unknown}; {listed}{rest}",
        (
            f"{sum(map(len, copies)):,} images have near copies, in {len(copies):,} groups; "
            f"all images are {found.surfaces:,} surfaces"
        ),
    ]


def _findings(issues: list[Issue]) -> list[str]:
    """By kind, in the order of CURES; the first of each are listed."""
    if not issues:
        return ["Nothing is wrong."]
    by_kind: dict[str, list[Issue]] = defaultdict(list)
    for issue in issues:
        by_kind[issue.kind].append(issue)
    lines = [f"{len(issues):,} issues:"]
    for kind in FIXES:
        here = by_kind[kind]
        if here:
            lines.append(f"  {kind} ({len(here):,}): {FIXES[kind]}")
            lines += [f"    {issue}" for issue in here[:SHOWN]]
        if len(here) > SHOWN:
            lines.append(f"    ... and {len(here) - SHOWN:,} more")
    return lines


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.2%}"
