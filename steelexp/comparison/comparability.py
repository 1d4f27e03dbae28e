"""Which runs may be compared, and why others may not.

Scripts refuse what is not comparable, the page sets it apart; both ask here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from steelexp.checksum import hash_bytes
from steelexp.comparison.evaluated_run import EvaluatedRun
from steelexp.records.record import Record
from steelexp.spec import ExperimentSpec
from steelexp.spec.effects import effective_settings, is_part_of

COMPARED_BY_CONTENT: Final = ("seed", "data", "split")
"""Sections that the digests of data and split stand for, and the seed, in which runs differ."""
UNLABELLED: Final = "data.unlabelled"
"""Section of images without labels, for which the digest of the data does not stand."""
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
    by_name: dict[str, _Seeds] = {}
    for run in runs:
        problems = _other_conditions(run, runs[0]) or _other_images(run, runs[0])
        seeds = by_name.get(run.record.name)
        if seeds is not None:
            problems = problems or seeds.other_settings(run) or seeds.copies(run)
        reasons += [f"{run.label}: {problem}" for problem in problems]
        if problems:
            continue
        accepted.append(run)
        if seeds is None:
            seeds = by_name[run.record.name] = _Seeds(run)
        seeds.add(run)
    return accepted, reasons


class _Seeds:
    """The accepted runs of one name: a thousand of them are looked up and not gone through.

    Args:
        first: The first of them, whose settings the others must have.
    """

    def __init__(self, first: EvaluatedRun) -> None:
        self._first = first
        self._settings = strategy_settings(first.spec)
        self._runs: dict[tuple[str, object], EvaluatedRun] = {}

    def add(self, run: EvaluatedRun) -> None:
        """Add an accepted run."""
        for key in self._keys(run):
            self._runs.setdefault(key, run)

    def other_settings(self, run: EvaluatedRun) -> list[str]:
        """Settings that differ between runs of one name: no spread of one strategy."""
        ours = strategy_settings(run.spec)
        theirs = self._settings
        changed = sorted(key for key in {*ours, *theirs} if ours.get(key) != theirs.get(key))
        if not changed:
            return []
        name = run.record.name
        reason = f"named {name} as {self._first.label} is, with another {', '.join(changed)}"
        return [f"{reason}; give one of them a name of its own, or leave it out"]

    def copies(self, run: EvaluatedRun) -> list[str]:
        """A run that is there already: a copy, or another attempt; two would feign a spread."""
        for key in self._keys(run):
            if (other := self._runs.get(key)) is None:
                continue
            if key[0] == "pixels":
                what = f"it predicts the same pixels as {other.label}, so it is a copy"
            else:
                of = f"{run.record.seed} of {run.record.name}" if key[0] == "seed" else key[1]
                what = f"{key[0]} {of} is there already, {other.label}"
            return [f"{what}; a run counts once: leave one out"]
        return []

    def _keys(self, run: EvaluatedRun) -> list[tuple[str, object]]:
        """What no two runs have in common; two networks that predict nothing are no copies."""
        keys: list[tuple[str, object]] = [("seed", run.record.seed), ("digest", run.record.digest)]
        counts = run.counts
        if (counts.tp + counts.fp).any():
            pixels = np.stack(counts)
            keys.append(("pixels", (pixels.shape, hash_bytes(pixels.tobytes()))))
        return keys


def evaluated_otherwise(run: EvaluatedRun, first: EvaluatedRun) -> list[str]:
    """Why two runs on different training images cannot be set side by side; [] if they can."""
    return _other_conditions(run, first, ignored=IMAGES) or _other_images(run, first)


def _other_conditions(run: EvaluatedRun, first: EvaluatedRun, ignored: str = "") -> list[str]:
    ours = conditions(run.record)
    theirs = conditions(first.record)
    changed = [name for name in ours if ours[name] != theirs[name] and name != ignored]
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


def strategy_settings(spec: ExperimentSpec) -> dict[str, Any]:
    """The settings that make the strategy; files and runs of weights go by their names.

    A teacher goes by the name of its spec, since each seed may have its own.
    """
    settings = {
        key: value
        for key, value in effective_settings(spec).items()
        if is_part_of(key, [UNLABELLED]) or not is_part_of(key, COMPARED_BY_CONTENT)
    }
    if (teacher := settings.get(f"{UNLABELLED}.teacher")) is not None:
        settings[f"{UNLABELLED}.teacher"] = Path(teacher).parent.name
    for key in ("model.weights", "model.start"):
        settings[key] = Path(str(settings.get(key))).name
    return settings
