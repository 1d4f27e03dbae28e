"""Runs as tables for a terminal."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from rich.markup import escape
from rich.table import Table

from steelexp.errors import UserError
from steelexp.records.postprocessing import Postprocessing, describe_postprocessing
from steelexp.records.record import Record
from steelexp.records.store import RunFolder
from steelexp.spec import ExperimentSpec

COLUMNS = (
    "dice_positive",
    "dice_kaggle",
    "dice_kaggle_all_empty",
    "empty_accuracy",
    "dice_pooled",
    "iou_pooled",
)


def reported(metrics: Mapping[str, float]) -> tuple[str, Literal["test", "val"]]:
    """The prefix of the metrics to report, and their part of the split.

    Test images where there are some; in the published protocol the images that picked the epoch.
    """
    return ("test", "test") if "test_dice_kaggle" in metrics else ("val", "val")


def metrics_table(metrics: Mapping[str, float], classes: Iterable[str], *, title: str) -> Table:
    """One row a class, one for all and one for all with the post-processing: every whole-image metric."""
    prefix, part = reported(metrics)
    title = f"{title}, {part} images"
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
    if "test_post_dice_kaggle" in metrics:
        figures = (_figure(metrics, f"test_post_{name}") for name in COLUMNS)
        table.add_row("all, post-processed", *figures, style="bold")
    return table


def run_lines(record: Record, spec: ExperimentSpec, folder: RunFolder) -> list[str]:
    """What the table's figures were measured on, and what they are held against."""
    metrics, (prefix, part) = record.metrics, reported(record.metrics)
    parts = record.split["parts"]
    chosen = f"best of {record.epochs} epochs by {record.monitor}: epoch {record.best_epoch}"
    lines = [
        (
            f"{parts[part]} {part} images ({record.split['kind']} split, seed {record.seed}); "
            f"{chosen}; threshold {record.threshold:g}."
        ),
        (
            f"{prefix}_dice_batch {metrics[f'{prefix}_dice_batch']:.4f} (published definition, "
            f"batch size {record.batch_size}), {prefix}_loss {metrics[f'{prefix}_loss']:.4f}."
        ),
    ]
    if part == "test":
        lines.append(
            f"On the {parts['val']} val images, which picked the epoch: val_dice_positive "
            f"{metrics['val_dice_positive']:.4f}, val_dice_kaggle {metrics['val_dice_kaggle']:.4f}."
        )
    lines += postprocessing_lines(record.postprocessing, metrics)
    lines += leak_lines(parts)
    if spec.published is not None:
        base = spec.published
        lines.append(
            f"Baseline: {base.metric} {base.value:g} ({base.source}); "
            f"this run: {metrics[base.metric]:.4f}."
        )
    lines += [record.tracking, f"Run folder: {folder.path}"]
    return lines


def postprocessing_lines(
    postprocessing: Postprocessing | None, metrics: Mapping[str, float]
) -> list[str]:
    """The rules and their effect on the test images; no lines without a tuned post-processing."""
    if postprocessing is None:
        return []
    all_empty = metrics.get("test_post_dice_kaggle_all_empty", float("nan"))
    rows = [
        f"{name} {metrics[f'test_post_{name}']:.4f} (without {metrics[f'test_{name}']:.4f})"
        for name in ("dice_kaggle", "dice_positive", "empty_accuracy")
        if f"test_post_{name}" in metrics and f"test_{name}" in metrics
    ]
    effect = f"With it on the test images: {', '.join(rows)}; predicting nothing has dice_kaggle"
    return [
        describe_postprocessing(postprocessing.metric, postprocessing.classes),
        f"{effect} {all_empty:.4f}.",
    ]


def beside(metrics: Mapping[str, float]) -> str:
    """The two headline metrics of the reported part in a few words."""
    prefix, _ = reported(metrics)
    names = (f"{prefix}_dice_positive", f"{prefix}_dice_kaggle", "test_post_dice_kaggle")
    return ", ".join(f"{name} {metrics[name]:.4f}" for name in names if name in metrics)


def leak_lines(parts: Mapping[str, Any]) -> list[str]:
    """What a split has on two sides, in words; nothing where nothing crosses it.

    Args:
        parts: of a record's `split`.
    """
    leak = parts["leak"]
    if not leak["groups"]:
        return []
    copies = [
        f"{leak[part]} of {parts[part]} {part} images" for part in ("val", "test") if leak[part]
    ]
    line = (
        f"Leak: {leak['groups']} of {parts['groups']} groups of near-duplicates cross the split, "
        f"{' and '.join(copies) or 'no evaluated images'} have a copy that trains; scores are higher "
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

    A search's trials are there with what they reached on validation images: who picked one of them by its
    test images would have nothing left to report on.
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
            f"{parts[part]} {part} images",
            f"{parts['leak']['groups']} groups" if parts["leak"]["groups"] else "none",
            *(_figure(record.metrics, f"{prefix}_{name}") for name in COLUMNS[:3]),
            f"{record.seconds / 60:.1f}",
        )
    return table


def _listed(folder: RunFolder, record: Record) -> tuple[str, str]:
    return ("val", "val") if _is_trial(folder.path) else reported(record.metrics)


def _outcome(folder: RunFolder) -> Record | str:
    try:
        return folder.record or f"unfinished, {len(folder.epochs)} epochs"
    except UserError:
        return "cannot be read"


def _rank(row: tuple[RunFolder, Record | str]) -> float:
    folder, record = row
    if isinstance(record, str):
        return 2.0
    return -record.metrics.get(f"{_listed(folder, record)[0]}_dice_positive", 0.0)


def _figure(metrics: Mapping[str, float], key: str) -> str:
    return f"{metrics[key]:.4f}" if key in metrics else "-"
