"""Runs as tables for a terminal."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from rich.table import Table

from steelexp.errors import UserError
from steelexp.metric_names import Part, full_name, parse_name, reported_part
from steelexp.metrics import ALL_EMPTY, HEADLINES, METRICS, ON_IMAGES, PRIMARY
from steelexp.records.postprocessing import Postprocessing, describe_postprocessing
from steelexp.records.record import Record
from steelexp.records.store import RunFolder

if TYPE_CHECKING:
    from steelexp.spec import ExperimentSpec

LEADERBOARD = (*HEADLINES, ALL_EMPTY)


def metrics_table(metrics: Mapping[str, float], classes: Iterable[str], *, title: str) -> Table:
    """Every metric of images: a row a class, one for all classes, one for all post-processed."""
    part = reported_part(metrics)
    title = f"{title}, {part} images"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("class", overflow="fold")
    for metric in ON_IMAGES:
        table.add_column(metric.title, justify="right", overflow="fold")
    for label in classes:
        table.add_row(label, *_figures(metrics, part, label))
    table.add_section()
    table.add_row("all", *_figures(metrics, part), style="bold")
    if any(parse_name(name).part == "test_post" for name in metrics):
        table.add_row("all, post-processed", *_figures(metrics, "test_post"), style="bold")
    return table


def run_lines(record: Record, spec: "ExperimentSpec", folder: RunFolder) -> list[str]:
    """The images, epoch and threshold behind the table, the published figure, the run folder."""
    metrics = record.metrics
    part = reported_part(metrics)
    parts = record.split["parts"]
    on_tiles = [
        f"{name} {metrics[name]:.4f}"
        for metric in METRICS.values()
        if not metric.on_images and (name := full_name(metric.name, part)) in metrics
    ]
    epoch = f"best of {record.epochs} epochs by {record.monitor}: epoch {record.best_epoch}"
    lines = [
        (
            f"{parts[part]} {part} images ({record.split['kind']} split, seed {record.seed}); "
            f"{epoch}; threshold {record.threshold:g}."
        ),
        (
            f"On the tiles of these images, in batches of {record.batch_size}: "
            f"{', '.join(on_tiles)}."
        ),
    ]
    if part == "test":
        lines.append(
            f"On the {parts['val']} val images, which picked the epoch: "
            f"{_listing(metrics, 'val', HEADLINES)}."
        )
    lines += postprocessing_lines(record.postprocessing, metrics)
    lines += phase_lines(record.tiling)
    lines += source_lines(record.provenance)
    lines += leak_lines(parts)
    if spec.published is not None:
        base = spec.published
        lines.append(
            f"Published: {base.metric} {base.value:g} ({base.source}); "
            f"this run: {metrics[base.metric]:.4f}."
            + (f" Beware: {base.caveat}." if base.caveat else "")
        )
    lines += [f"Run folder: {folder.path}"]
    return lines


def postprocessing_lines(
    postprocessing: Postprocessing | None, metrics: Mapping[str, float]
) -> list[str]:
    """The rules and their effect on the test images; no lines without a tuned post-processing."""
    if postprocessing is None:
        return []
    all_empty = metrics.get(full_name(ALL_EMPTY, "test_post"), float("nan"))
    names = [
        (metric.name, full_name(metric.name, "test_post"), full_name(metric.name, "test"))
        for metric in ON_IMAGES
        if metric.name != ALL_EMPTY
    ]
    rows = [
        f"{name} {metrics[after]:.4f} (without {metrics[before]:.4f})"
        for name, after, before in names
        if after in metrics and before in metrics
    ]
    effect = f"With it on the test images: {', '.join(rows)}; predicting nothing has dice_kaggle"
    return [
        describe_postprocessing(postprocessing.metric, postprocessing.classes),
        f"{effect} {all_empty:.4f}.",
    ]


def beside(metrics: Mapping[str, float]) -> str:
    """The two headline metrics of the reported part in a few words."""
    parts: tuple[Part, ...] = (reported_part(metrics), "test_post")
    return ", ".join(text for part in parts if (text := _listing(metrics, part, HEADLINES)))


def _listing(metrics: Mapping[str, float], part: Part, names: Iterable[str]) -> str:
    """Metrics over all classes, by their full names, with four digits."""
    full_names = [full_name(name, part) for name in names]
    return ", ".join(f"{name} {metrics[name]:.4f}" for name in full_names if name in metrics)


def phase_lines(tiling: Mapping[str, Any]) -> list[str]:
    """The phases of a training, a line each; none where it has no phases.

    Args:
        tiling: Tiling of a record.
    """
    return [
        f"Epochs {phase['epochs'][0]} to {phase['epochs'][1]}: {phase['kind']}, "
        f"{phase['tiles']} tiles an epoch in batches of {phase['batch_size']}, learning rate x "
        f"{phase['learning_rate_factor']:g}."
        for phase in tiling.get("phases", ())
    ]


def source_lines(provenance: Mapping[str, Any]) -> list[str]:
    """What a run started with and who labelled images for it, in words; nothing without either.

    Args:
        provenance: Provenance of its record.
    """
    sources = (provenance.get(name) for name in ("start", "unlabelled"))
    return [
        line
        for source in sources
        if isinstance(source, Mapping)
        for line in source.get("lines", ())
    ]


def leak_lines(parts: Mapping[str, Any]) -> list[str]:
    """What a split has on two sides, in words; nothing where nothing crosses it.

    Args:
        parts: Parts of a record's split.
    """
    leak = parts["leak"]
    if not leak["groups"]:
        return []
    copies = [
        f"{leak[part]} of {parts[part]} {part} images" for part in ("val", "test") if leak[part]
    ]
    line = (
        f"Leak: {leak['groups']} of {parts['groups']} groups of near-duplicates cross the split, "
        f"{' and '.join(copies) or 'no evaluated images'} have a copy that trains; scores are "
        "higher than on unseen steel. split.kind=grouped keeps groups whole."
    )
    return [line]


def run_label(path: Path) -> str:
    """How a run folder is called: b4_dice/3f9c1a7e, or b4_search trial 0004/3f9c1a7e."""
    if is_trial(path):
        return f"{path.parents[3].name} trial {path.parent.name}/{path.name}"
    return f"{path.parent.name}/{path.name}"


def is_trial(path: Path) -> bool:
    """Whether a run folder is that of a trial of a search."""
    return path.parts[-4:-2] == ("search", "trials")


class Standing(NamedTuple):
    """One run of a leaderboard.

    Attributes:
        rank: Place, the best first.
        cells: Its row.
        problem: Error that keeps it from being read; None without.
    """

    rank: float
    cells: tuple[str, ...]
    problem: UserError | None = None


def standings(folders: Iterable[RunFolder]) -> list[Standing]:
    """The rows of a leaderboard; each run is read once and not kept."""
    return list(map(_standing, folders))


def leaderboard(rows: Iterable[Standing]) -> Table:
    """Every run, the best first; unfinished ones last.

    Trials of a search are listed with their validation metrics. Picking a trial by its test images
    would leave no images to report on.
    """
    table = Table(title=f"Runs, by {PRIMARY}", title_justify="left", title_style="bold")
    for name in ("run", "seed", "status", "best epoch"):
        table.add_column(name, overflow="fold")
    for name in ("on", "leak"):
        table.add_column(name, overflow="fold")
    for name in (*(METRICS[name].title for name in LEADERBOARD), "minutes"):
        table.add_column(name, justify="right", overflow="fold")
    for row in sorted(rows, key=lambda row: row.rank):
        table.add_row(*row.cells)
    return table


def _standing(folder: RunFolder) -> Standing:
    label = run_label(folder.path)
    try:
        record = folder.record
        if record is None:
            return Standing(2.0, (label, "", f"unfinished, {len(folder.epochs)} epochs"))
    except UserError as error:
        return Standing(2.0, (label, "", "cannot be read"), error)
    part = _listed_part(folder, record)
    parts = record.split["parts"]
    cells = (
        label,
        str(record.seed),
        record.status,
        f"{record.best_epoch} of {record.epochs}",
        f"{parts[part]} {part} images",
        f"{parts['leak']['groups']} groups" if parts["leak"]["groups"] else "none",
        *(_figure(record.metrics, full_name(name, part)) for name in LEADERBOARD),
        f"{record.seconds / 60:.1f}",
    )
    return Standing(-record.metrics.get(full_name(PRIMARY, part), 0.0), cells)


def _listed_part(folder: RunFolder, record: Record) -> Literal["test", "val"]:
    return "val" if is_trial(folder.path) else reported_part(record.metrics)


def _figures(metrics: Mapping[str, float], part: Part, label: str | None = None) -> list[str]:
    """Every metric of images, of a class or of all."""
    return [_figure(metrics, full_name(metric.name, part, label)) for metric in ON_IMAGES]


def _figure(metrics: Mapping[str, float], key: str) -> str:
    return f"{metrics[key]:.4f}" if key in metrics else "-"
