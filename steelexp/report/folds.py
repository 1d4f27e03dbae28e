"""The folds of a spec as a table and lines for a terminal."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.table import Table

from steelexp.errors import UserError
from steelexp.metric_names import full_name
from steelexp.metrics import ALL_EMPTY, HEADLINES, METRICS, ON_IMAGES, PRIMARY
from steelexp.records.folds_file import FoldsFile, PooledMetric, folds_folders, read_folds_file
from steelexp.records.postprocessing import describe_rules

_COLUMNS = (*HEADLINES, ALL_EMPTY)
_ALL = tuple(metric.name for metric in ON_IMAGES)


def folds_table(folds: FoldsFile) -> Table:
    """Every metric of the images of all folds: a row a class, then all, then all post-processed."""
    table = Table(
        title=f"{folds.name} folds-{folds.digest}, {folds.images} images out of fold",
        title_justify="left",
        title_style="bold",
    )
    table.add_column("class", overflow="fold")
    for metric in ON_IMAGES:
        table.add_column(metric.title, justify="right", overflow="fold")
    for label in folds.classes:
        table.add_row(label, *_figures(folds.metrics, label))
    table.add_section()
    table.add_row("all", *_figures(folds.metrics), style="bold")
    table.add_row("all, post-processed", *_figures(folds.post_metrics), style="bold")
    return table


def _figures(
    metrics: Mapping[str, PooledMetric], label: str | None = None, names: Sequence[str] = _ALL
) -> list[str]:
    """Metrics of a class or of all."""
    values = [metrics.get(full_name(name, None, label)) for name in names]
    return ["-" if value is None else f"{value.value:.4f}" for value in values]


def folds_lines(folds: FoldsFile) -> list[str]:
    """What the table was measured on, with intervals and the spread between folds."""
    seeds = f"seed{'s' if len(folds.seeds) > 1 else ''} {', '.join(map(str, folds.seeds))}"
    networks = f"{len(folds.members)} single networks: {folds.folds} folds, {seeds}"
    lines = [
        (
            f"{networks}; each image is scored by networks that trained on neither it nor a "
            f"near-duplicate of it. {folds.groups} groups; threshold {folds.threshold:g}."
        ),
        *(metric_line(name, folds.metrics[name]) for name in HEADLINES if name in folds.metrics),
        *(
            metric_line(f"{name}, post-processed", folds.post_metrics[name])
            for name in HEADLINES
            if name in folds.post_metrics
        ),
        epoch_line(folds),
        rules_line(folds),
    ]
    if folds.outer_test:
        lines.append(
            f"{folds.outer_test} images are the outer test part of every run, and in no fold."
        )
    if folds.rescored:
        lines.append(
            f"{folds.rescored} images have other pixels at the threshold than in the records of "
            "the runs, which were evaluated elsewhere; only the post-processing rests on them."
        )
    return lines


def metric_line(name: str, pooled: PooledMetric) -> str:
    """A metric with its interval, and its values in the folds."""
    line = f"{name} {pooled}"
    if values := [value for value in pooled.folds if value is not None]:
        line += f"; within a fold {min(values):.4f} to {max(values):.4f}"
    if pooled.fold_spread is not None:
        line += f", standard deviation {pooled.fold_spread:.4f}"
    return f"{line}."


def epoch_line(folds: FoldsFile) -> str:
    """Which images picked the epoch of the networks."""
    if folds.epoch_chosen_on_fold:
        return (
            "Each fold also picked the epoch of the network that is evaluated on it, so these "
            "figures are somewhat too high; the outer test part picked nothing."
        )
    return "Another fold picked the epoch of each network, so a fold picked nothing of its own."


def rules_line(folds: FoldsFile) -> str:
    """The rules that were tuned on all folds."""
    rules = "; ".join(f"{label}: {describe_rules(each)}" for label, each in folds.rules.items())
    return (
        f"Post-processed by rules that were tuned on other groups for {folds.tuned_for}; tuned on "
        f"all groups they are {rules}."
    )


class FoldsPart(NamedTuple):
    """A folder of folds.

    Attributes:
        path: Folder.
        file: Contents of folds.json; None where it cannot be read.
        problem: Reason why it cannot be read.
    """

    path: Path
    file: FoldsFile | None
    problem: str = ""


def folds_parts(root: Path) -> list[FoldsPart]:
    """Every folder of folds at or below a folder."""
    parts = []
    for path in folds_folders(root):
        try:
            parts.append(FoldsPart(path, read_folds_file(path)))
        except UserError as error:
            parts.append(FoldsPart(path, None, str(error)))
    return parts


def folds_board(parts: Iterable[FoldsPart]) -> Table:
    """A row for each folder of folds, the best first; those that cannot be read are last."""
    table = Table(title="Folds, images out of fold", title_justify="left", title_style="bold")
    for name in ("folds", "seeds", "networks", "on"):
        table.add_column(name, overflow="fold")
    for name in _COLUMNS:
        table.add_column(METRICS[name].title, justify="right", overflow="fold")
    for _, cells in sorted(map(_board_row, parts)):
        table.add_row(*cells)
    return table


def _board_row(part: FoldsPart) -> tuple[float, list[str]]:
    """The place of a folder, and its cells."""
    label = f"{part.path.parent.name}/{part.path.name}"
    folds = part.file
    if folds is None:
        return 2.0, [label, "", "cannot be read"]
    primary = folds.metrics.get(PRIMARY)
    figures = _figures(folds.metrics, names=_COLUMNS)
    seeds = ", ".join(map(str, folds.seeds))
    cells = [label, seeds, str(len(folds.members)), f"{folds.images} images", *figures]
    return -primary.value if primary else 1.0, cells
