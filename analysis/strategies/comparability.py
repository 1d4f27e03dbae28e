"""Why runs cannot be compared: other images, labels, thresholds, definitions or settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from analysis.strategies.evaluated_run import OF_SPLIT, EvaluatedRun, Part
from steelexp.records.record import Record
from steelexp.records.store import RunFolder

# They name, mirror or place a run, or are held equal by the manifest and the split's digest.
NO_STRATEGY: Final = {"name", "question", "tracking", "published", "seed", "data", "split"}
ALONE: Final = "; leave it out, or run it again like the others"


def incomparable(finished: Sequence[tuple[RunFolder, Record]], part: Part) -> list[str]:
    """Why records cannot be compared with the first one."""
    first_folder, first = finished[0]
    reasons = []
    for folder, record in finished:
        if not record.split["parts"][OF_SPLIT[part]]:
            reasons.append(
                f"{folder.path}: it has no {OF_SPLIT[part]} images (split {record.split['kind']}); "
                "--part tune compares on the images that picked the epoch, or leave it out"
            )
        for what, own, its in (
            ("data set (manifest)", record.data, first.data),
            ("images (split)", record.split["parts"]["digest"], first.split["parts"]["digest"]),
            ("threshold", record.threshold, first.threshold),
        ):
            if own != its:
                reasons.append(
                    f"{folder.path}: other {what} than {first_folder.path}: "
                    f"{_short(own)}, not {_short(its)}{ALONE}"
                )
        changed = [
            name
            for name in sorted(record.definitions.keys() | first.definitions.keys())
            if record.definitions.get(name) != first.definitions.get(name)
        ]
        if changed:
            reasons.append(
                f"{folder.path}: {', '.join(changed)} defined otherwise than in "
                f"{first_folder.path}{ALONE}"
            )
    return reasons


def _short(value: object) -> str:
    return value[:12] if isinstance(value, str) else f"{value:g}"


def other_images(runs: Sequence[EvaluatedRun]) -> list[str]:
    """Whose images, labels or groups are not those of the first run."""
    first, reasons = runs[0], []
    for run in runs:
        mine, its = run.images, first.images
        if mine.names != its.names or mine.classes != its.classes:
            what = "images or classes"
        elif not np.array_equal(mine.labelled, its.labelled):
            what = "labelled pixels"
        elif not np.array_equal(mine.groups, its.groups):
            what = "groups of near-duplicates"
        else:
            continue
        reasons.append(f"{run.label}: other {what} than {first.label}{ALONE}")
    return reasons


def other_settings(runs: Sequence[EvaluatedRun]) -> list[str]:
    """Runs of one name whose specs differ in more than the seed: no spread of one strategy."""
    first: dict[str, EvaluatedRun] = {}
    reasons = []
    for run in runs:
        one = first.setdefault(run.record.name, run)
        mine, its = _settings(run.spec), _settings(one.spec)
        if changed := sorted(key for key in mine | its if mine.get(key) != its.get(key)):
            reasons.append(
                f"{run.label}: named {run.record.name} as {one.label} is, with another "
                f"{', '.join(changed)}; give one of them a name of its own, or leave it out"
            )
    return reasons


def _settings(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What makes the strategy: a spec without seed and places."""
    kept = {key: value for key, value in spec.items() if key not in NO_STRATEGY}
    for section, without in (("training", "overlays"), ("model", "weights")):
        if isinstance(kept.get(section), dict):
            values = dict(kept[section])
            value = values.pop(without, None)
            if section == "model":
                values["weights"] = Path(str(value)).name
            kept[section] = values
    return kept


def seeds_twice(runs: Sequence[EvaluatedRun]) -> list[str]:
    """Runs of one name and seed: a copy, or another attempt; as two they would feign a spread."""
    first: dict[tuple[str, int], EvaluatedRun] = {}
    reasons = []
    for run in runs:
        key = (run.record.name, run.record.seed)
        one = first.setdefault(key, run)
        if one is not run:
            reasons.append(
                f"{run.label}: seed {key[1]} of {key[0]} is there already, {one.label}; a run "
                "counts once: leave one out"
            )
    return reasons
