"""Runs as tables for a terminal."""

from collections.abc import Iterable, Mapping

from rich.markup import escape
from rich.table import Table

from steelexp.records.record import Record
from steelexp.records.store import DamagedError, RunFolder
from steelexp.spec import ExperimentSpec

COLUMNS = (
    "dice_positive",
    "dice_kaggle",
    "dice_kaggle_all_empty",
    "empty_accuracy",
    "dice_pooled",
    "iou_pooled",
)


def metrics_table(metrics: Mapping[str, float], classes: Iterable[str], *, title: str) -> Table:
    """One row a class and one for all: every whole-strip metric."""
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("class", overflow="fold")
    for name in COLUMNS:
        head = name.replace("dice_kaggle_all_empty", "if all empty")
        table.add_column(head, justify="right", overflow="fold")
    for label in classes:
        figures = (_figure(metrics, f"val_{name}/{label}") for name in COLUMNS)
        table.add_row(escape(label), *figures)
    table.add_section()
    table.add_row("all", *(_figure(metrics, f"val_{name}") for name in COLUMNS), style="bold")
    return table


def run_lines(record: Record, spec: ExperimentSpec, folder: RunFolder) -> list[str]:
    """What the table's figures were measured on, and what they are held against."""
    split, metrics = record.split, record.metrics
    lines = [
        (
            f"{split['validation']} validation strips ({split['kind']} split, seed {record.seed}); "
            f"best of {record.epochs} epochs by {record.monitor}: epoch {record.best_epoch}; "
            f"threshold {record.threshold:g}."
        ),
        (
            f"val_dice_batch {metrics['val_dice_batch']:.4f} (published definition, batch size "
            f"{record.batch_size}), val_loss {metrics['val_loss']:.4f}."
        ),
    ]
    if spec.baseline is not None:
        base = spec.baseline
        lines.append(
            f"Baseline: {base.metric} {base.value:g} ({base.source}); "
            f"this run: {metrics[base.metric]:.4f}."
        )
    lines += [record.tracking, f"Run folder: {folder.path}"]
    return lines


def leaderboard(folders: Iterable[RunFolder]) -> Table:
    """Every run, the best first; unfinished ones last."""
    table = Table(title="Runs, by dice_positive", title_justify="left", title_style="bold")
    for name in ("run", "seed", "status", "best epoch"):
        table.add_column(name, overflow="fold")
    for name in ("dice_positive", "dice_kaggle", "if all empty", "minutes"):
        table.add_column(name, justify="right", overflow="fold")
    rows = [(folder, _outcome(folder)) for folder in folders]
    for folder, record in sorted(rows, key=_rank):
        label = f"{folder.path.parent.name}/{folder.path.name}"
        if isinstance(record, str):
            table.add_row(escape(label), "", record)
            continue
        table.add_row(
            escape(label),
            str(record.seed),
            record.status,
            f"{record.best_epoch} of {record.epochs}",
            *(_figure(record.metrics, f"val_{name}") for name in COLUMNS[:3]),
            f"{record.seconds / 60:.1f}",
        )
    return table


def _outcome(folder: RunFolder) -> Record | str:
    try:
        return folder.record or f"unfinished, {len(folder.epochs)} epochs"
    except DamagedError:
        return "cannot be read"


def _rank(row: tuple[RunFolder, Record | str]) -> float:
    _, record = row
    return 2.0 if isinstance(record, str) else -record.metrics.get("val_dice_positive", 0.0)


def _figure(metrics: Mapping[str, float], key: str) -> str:
    return f"{metrics[key]:.4f}" if key in metrics else "-"
