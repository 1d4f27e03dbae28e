"""Print the result of the doctor."""

from collections import defaultdict
from pathlib import Path

from rich.table import Table

from steelexp.command_line import python_line
from steelexp.data.doctor.diagnosis import Diagnosis, class_table
from steelexp.data.doctor.earlier_look import PAIR_SHEET
from steelexp.data.issue import FIXES, Issue
from steelexp.progress import say, show

LIMIT = 10  # issues printed of each kind


def report(diagnosis: Diagnosis, file: Path) -> None:
    """Print tables, issues and the next command.

    Args:
        diagnosis: Result of the doctor.
        file: Path of doctor.json.
    """
    show(_class_table(diagnosis))
    show(_co_occurrence_table(diagnosis))
    say(*_summary_lines(diagnosis))
    for line in _issue_lines(diagnosis.issues):
        say(line)
    picture = file.with_name("overview.png")
    command = python_line("analysis/dataset_overview.py", file, "--out", picture)
    if diagnosis.nearest:
        say(f"Pairs of images near the threshold of near-duplicates: {file.with_name(PAIR_SHEET)}")
    say(f"All statistics, issues and near-duplicates: {file}")
    say(f"Plot them: {command}")


def _class_table(diagnosis: Diagnosis) -> Table:
    table = Table(title="Classes", title_justify="left", title_style="bold")
    table.add_column("class", overflow="fold")
    heads = ("images", "components", "pixels", "of labelled", "mean area", "on black")
    for head in heads:
        table.add_column(head, justify="right")
    for row in class_table(diagnosis):
        counts = (f"{row[key]:,}" for key in ("images", "components", "pixels"))
        shares = (
            _percent(row[key]) for key in ("share_of_labelled", "mean_area_share", "share_on_black")
        )
        table.add_row(row["class"], *counts, *shares)
    return table


def _co_occurrence_table(diagnosis: Diagnosis) -> Table:
    table = Table(title="Images with both classes", title_justify="left", title_style="bold")
    table.add_column("class", overflow="fold")
    for name in diagnosis.classes:
        table.add_column(name, justify="right", overflow="fold")
    counts = diagnosis.statistics.co_occurrence
    for c, name in enumerate(diagnosis.classes):
        table.add_row(name, *(f"{counts[c, d]:,}" for d in range(len(diagnosis.classes))))
    return table


def _summary_lines(diagnosis: Diagnosis) -> list[str]:
    sizes: dict[str, int] = defaultdict(int)
    for size in diagnosis.statistics.sizes:
        sizes["cannot be read" if size is None else f"{size[0]} x {size[1]}"] += 1
    by_frequency = sorted(sizes.items(), key=lambda entry: -entry[1])
    counts = [f"{size}: {count:,}" for size, count in by_frequency[:LIMIT]]
    rest = f", and {len(sizes) - LIMIT} other sizes" if len(sizes) > LIMIT else ""
    unreadable = f", {diagnosis.unreadable:,} unreadable" if diagnosis.unreadable else ""
    groups = diagnosis.near_duplicates
    return [
        (
            f"{len(diagnosis.names):,} images, {diagnosis.clean:,} of them clean{unreadable}; "
            f"{', '.join(counts)}{rest}"
        ),
        (
            f"{sum(map(len, groups)):,} images have near-duplicates, in {len(groups):,} groups; "
            f"{diagnosis.distinct_images:,} images are distinct"
        ),
    ]


def _issue_lines(issues: list[Issue]) -> list[str]:
    """Issues by kind, in the order of FIXES; the first ones of each kind are listed."""
    if not issues:
        return ["No issues."]
    by_kind: dict[str, list[Issue]] = defaultdict(list)
    for issue in issues:
        by_kind[issue.kind].append(issue)
    lines = [f"{len(issues):,} issues:"]
    for kind in FIXES:
        same_kind = by_kind[kind]
        if same_kind:
            lines.append(f"  {kind} ({len(same_kind):,}): {FIXES[kind]}")
            lines += [f"    {issue}" for issue in same_kind[:LIMIT]]
        if len(same_kind) > LIMIT:
            lines.append(f"    ... and {len(same_kind) - LIMIT:,} more")
    return lines


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.2%}"
