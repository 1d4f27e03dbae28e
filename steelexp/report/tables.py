"""Runs as tables for a terminal."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

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


def reported(metrics: Mapping[str, float]) -> tuple[str, str]:
    """The prefix of the metrics to report, and the part of the split they are of.

    Test strips where there are some; in the published protocol the strips that picked the epoch.
    """
    return ("test", "test") if "test_dice_kaggle" in metrics else ("val", "tune")


def metrics_table(metrics: Mapping[str, float], classes: Iterable[str], *, title: str) -> Table:
    """One row a class and one for all: every whole-strip metric of the reported part."""
    prefix, part = reported(metrics)
    title = f"{title}, {part} strips"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("class", overflow="fold")
    for name in COLUMNS:
        head = name.replace("dice_kaggle_all_empty", "if all empty")
        table.add_column(head, justify="right", overflow="fold")
    for label in classes:
        figures = (_figure(metrics, f"{prefix}_{name}/{label}") for name in COLUMNS)
        table.add_row(escape(label), *figures)
    table.add_section()
    table.add_row("all", *(_figure(metrics, f"{prefix}_{name}") for name in COLUMNS), style="bold")
    return table


def run_lines(record: Record, spec: ExperimentSpec, folder: RunFolder) -> list[str]:
    """What the table's figures were measured on, and what they are held against."""
    metrics, (prefix, part) = record.metrics, reported(record.metrics)
    parts = record.split["parts"]
    chosen = f"best of {record.epochs} epochs by {record.monitor}: epoch {record.best_epoch}"
    lines = [
        (
            f"{parts[part]} {part} strips ({record.split['kind']} split, seed {record.seed}); "
            f"{chosen}; threshold {record.threshold:g}."
        ),
        (
            f"{prefix}_dice_batch {metrics[f'{prefix}_dice_batch']:.4f} (published definition, "
            f"batch size {record.batch_size}), {prefix}_loss {metrics[f'{prefix}_loss']:.4f}."
        ),
    ]
    if part == "test":
        lines.append(
            f"On the {parts['tune']} tune strips, which picked the epoch: val_dice_positive "
            f"{metrics['val_dice_positive']:.4f}, val_dice_kaggle {metrics['val_dice_kaggle']:.4f}."
        )
    if record.tuned_thresholds is not None:
        tuned = ", ".join(f"{label}: {t:g}" for label, t in record.tuned_thresholds.items())
        lines.append(
            f"With thresholds tuned on the tune strips ({tuned}): dice_positive "
            f"{metrics['decided_dice_positive']:.4f}, dice_kaggle "
            f"{metrics['decided_dice_kaggle']:.4f} on the test strips."
        )
    lines += leak_lines(parts)
    if spec.baseline is not None:
        base = spec.baseline
        lines.append(
            f"Baseline: {base.metric} {base.value:g} ({base.source}); "
            f"this run: {metrics[base.metric]:.4f}."
        )
    lines += [record.tracking, f"Run folder: {folder.path}"]
    return lines


def leak_lines(parts: Mapping[str, Any]) -> list[str]:
    """What a split has on two sides, in words; nothing where nothing crosses it.

    Args:
        parts: of a record's `split`.
    """
    leak = parts["leak"]
    if not leak["groups"]:
        return []
    copies = [
        f"{leak[part]} of {parts[part]} {part} strips" for part in ("tune", "test") if leak[part]
    ]
    line = (
        f"Leak: {leak['groups']} of {parts['groups']} groups of near-duplicates cross the split, "
        f"{' and '.join(copies) or 'no judged strips'} have a copy that trains; scores are higher "
        "than on unseen steel. split.kind=grouped keeps groups whole."
    )
    return [line]


def run_label(path: Path) -> str:
    """How a run folder is called: b4_dice/3f9c1a7e, or b4_search trial 0004/3f9c1a7e."""
    if _is_trial(path):
        return f"{path.parents[3].name} trial {path.parent.name}/{path.name}"
    return f"{path.parent.name}/{path.name}"


def _is_trial(path: Path) -> bool:
    return path.parts[-4:-2] == ("search", "trials")


def leaderboard(folders: Iterable[RunFolder]) -> Table:
    """Every run, the best first; unfinished ones last.

    A search's trials are there with what they reached on tune strips: who picked one of them by its
    test strips would have nothing left to report on.
    """
    table = Table(title="Runs, by dice_positive", title_justify="left", title_style="bold")
    for name in ("run", "seed", "status", "best epoch"):
        table.add_column(name, overflow="fold")
    for name in ("on", "leak"):
        table.add_column(name, overflow="fold")
    for name in ("dice_positive", "dice_kaggle", "if all empty", "minutes"):
        table.add_column(name, justify="right", overflow="fold")
    rows = [(folder, _outcome(folder)) for folder in folders]
    for folder, record in sorted(rows, key=_rank):
        label = run_label(folder.path)
        if isinstance(record, str):
            table.add_row(escape(label), "", record)
            continue
        prefix, part = _listed(folder, record)
        parts = record.split["parts"]
        table.add_row(
            escape(label),
            str(record.seed),
            record.status,
            f"{record.best_epoch} of {record.epochs}",
            f"{parts[part]} {part} strips",
            f"{parts['leak']['groups']} groups" if parts["leak"]["groups"] else "none",
            *(_figure(record.metrics, f"{prefix}_{name}") for name in COLUMNS[:3]),
            f"{record.seconds / 60:.1f}",
        )
    return table


def _listed(folder: RunFolder, record: Record) -> tuple[str, str]:
    return ("val", "tune") if _is_trial(folder.path) else reported(record.metrics)


def _outcome(folder: RunFolder) -> Record | str:
    try:
        return folder.record or f"unfinished, {len(folder.epochs)} epochs"
    except DamagedError:
        return "cannot be read"


def _rank(row: tuple[RunFolder, Record | str]) -> float:
    folder, record = row
    if isinstance(record, str):
        return 2.0
    return -record.metrics.get(f"{_listed(folder, record)[0]}_dice_positive", 0.0)


def _figure(metrics: Mapping[str, float], key: str) -> str:
    return f"{metrics[key]:.4f}" if key in metrics else "-"
