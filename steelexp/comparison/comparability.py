"""Which runs may be compared, and why others may not.

Scripts refuse what is not comparable, the page sets it apart; both ask here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from steelexp.comparison.evaluated_run import EvaluatedRun
from steelexp.records.record import Record
from steelexp.spec import ExperimentSpec
from steelexp.spec.effects import effective_settings, is_part_of

COMPARED_BY_CONTENT: Final = ("seed", "data", "split")
"""Sections that the digests of data and split stand for, and the seed, in which runs differ."""
DATA: Final = "data set (manifest)"
IMAGES: Final = "images (split)"
WAY_OUT: Final = "; leave it out, or run it again like the others"


def conditions(record: Record) -> dict[str, Any]:
    """What two runs must have in common before their metrics can be compared, by its words."""
    return {
        DATA: record.data,
        IMAGES: record.split["parts"]["digest"],
        "threshold": record.threshold,
        "definitions": tuple(sorted(record.definitions.items())),
    }


def describe_data(record: Record) -> str:
    """Number of images and version of the split, as in "60 images, split version 2"."""
    version = record.split.get("version")
    words = (
        f"{record.split.get('kind', 'unknown')} split"
        if version is None
        else f"split version {version}"
    )
    if without_row := record.split.get("without_row", 0):
        words += f" and {without_row} images without a row"
    return f"{record.image_count} images, {words}"


def comparable(runs: Sequence[EvaluatedRun]) -> tuple[list[EvaluatedRun], list[str]]:
    """The runs that may be compared with the first one, and why the others may not.

    A run must have the first one's conditions and images. Among the runs of one name the settings
    must be those of its first run, and none may be there twice.
    """
    accepted: list[EvaluatedRun] = []
    reasons: list[str] = []
    for run in runs:
        problems = _other_conditions(run, runs[0]) or _other_images(run, runs[0])
        seeds = [each for each in accepted if each.record.name == run.record.name]
        problems = problems or _other_settings(run, seeds) or _copies(run, seeds)
        reasons += [f"{run.label}: {problem}" for problem in problems]
        if not problems:
            accepted.append(run)
    return accepted, reasons


def _other_conditions(run: EvaluatedRun, first: EvaluatedRun) -> list[str]:
    ours = conditions(run.record)
    theirs = conditions(first.record)
    changed = [name for name in ours if ours[name] != theirs[name]]
    return [
        _other_definitions(run, first)
        if name == "definitions"
        else f"other {name} than {first.label}: {_short(ours[name])}, not "
        f"{_short(theirs[name])}{words}{WAY_OUT}"
        for name, words in zip(changed, _versions(run, first, changed), strict=True)
    ]


def _versions(run: EvaluatedRun, first: EvaluatedRun, changed: Sequence[str]) -> list[str]:
    """The versions of data and split in brackets, for the first condition about them."""
    ours = describe_data(run.record)
    theirs = describe_data(first.record)
    words = [""] * len(changed)
    about_images = [number for number, name in enumerate(changed) if name in (DATA, IMAGES)]
    if about_images and ours != theirs:
        words[about_images[0]] = f" ({ours}; not {theirs})"
    return words


def _other_definitions(run: EvaluatedRun, first: EvaluatedRun) -> str:
    ours = run.record.definitions
    theirs = first.record.definitions
    changed = [name for name in sorted({*ours, *theirs}) if ours.get(name) != theirs.get(name)]
    return f"{', '.join(changed)} defined otherwise than in {first.label}{WAY_OUT}"


def _short(value: object) -> str:
    return value[:12] if isinstance(value, str) else f"{value:g}"


def _other_images(run: EvaluatedRun, first: EvaluatedRun) -> list[str]:
    ours = run.images
    theirs = first.images
    if ours.names != theirs.names or ours.classes != theirs.classes:
        what = "images or classes"
    elif not np.array_equal(ours.labelled, theirs.labelled):
        what = "labelled pixels"
    elif not np.array_equal(ours.groups, theirs.groups):
        what = "groups of near-duplicates"
    else:
        return []
    return [f"other {what} than {first.label}{WAY_OUT}"]


def _other_settings(run: EvaluatedRun, seeds: Sequence[EvaluatedRun]) -> list[str]:
    """Settings that differ between runs of one name: no spread of one strategy."""
    if not seeds:
        return []
    ours = strategy_settings(run.spec)
    theirs = strategy_settings(seeds[0].spec)
    changed = sorted(key for key in {*ours, *theirs} if ours.get(key) != theirs.get(key))
    if not changed:
        return []
    reason = f"named {run.record.name} as {seeds[0].label} is, with another {', '.join(changed)}"
    return [f"{reason}; give one of them a name of its own, or leave it out"]


def strategy_settings(spec: ExperimentSpec) -> dict[str, Any]:
    """The settings that make the strategy; a weights file goes by its name."""
    settings = {
        key: value
        for key, value in effective_settings(spec).items()
        if not is_part_of(key, COMPARED_BY_CONTENT)
    }
    settings["model.weights"] = Path(str(settings.get("model.weights"))).name
    return settings


def _copies(run: EvaluatedRun, seeds: Sequence[EvaluatedRun]) -> list[str]:
    """A run that is there already: a copy, or another attempt; as two it would feign a spread."""
    for other in seeds:
        if run.record.seed == other.record.seed:
            what = f"seed {run.record.seed} of {run.record.name} is there already, {other.label}"
        elif run.record.digest == other.record.digest:
            what = f"digest {run.record.digest} is there already, {other.label}"
        elif _same_predictions(run, other):
            what = f"it predicts the same pixels as {other.label}, so it is a copy"
        else:
            continue
        return [f"{what}; a run counts once: leave one out"]
    return []


def _same_predictions(run: EvaluatedRun, other: EvaluatedRun) -> bool:
    """Whether every count is the same; two networks that predict nothing are no copies."""
    ours = run.counts
    theirs = other.counts
    predicted = (ours.tp + ours.fp).any()
    return bool(predicted) and all(map(np.array_equal, ours, theirs))
