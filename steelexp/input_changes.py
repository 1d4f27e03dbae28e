"""What changed of a run's inputs since it was planned: settings, data, split, weights file."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from steelexp.data.image_table import FILE, contents_of, describe_changes, read_image_table
from steelexp.data.splits.split import split_csv
from steelexp.plan import Plan
from steelexp.privacy import public_values
from steelexp.records.record import Record
from steelexp.records.store import RunFolder
from steelexp.spec import ExperimentSpec, dump
from steelexp.spec.effects import effective_settings, is_part_of

_NONE = object()

_NAMED = 3
"""Images in a message at most."""


def setting_changes(record: Record, spec: ExperimentSpec) -> list[str]:
    """Settings that are no longer those of a record, such as "setting loss.gamma 2.0 -> 3.0".

    Args:
        record: Record of the finished run.
        spec: Spec of the run folder as it is now.
    """
    before = record.provenance.get("settings")
    if not isinstance(before, Mapping):
        return []
    now = public_values(effective_settings(spec))
    return [
        f"{'' if key == 'seed' else 'setting '}{key} {_value(before, key)} -> {_value(now, key)}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key, _NONE) != now.get(key, _NONE)
    ]


def input_changes(folder: RunFolder, record: Record, plan: Plan) -> list[str]:
    """Every input of a run that is no longer what it was.

    Data and split that follow from a changed setting are not named beside it.

    Args:
        folder: Folder of the finished run.
        record: Its record.
        plan: Plan of its spec on the data of now.
    """
    settings = setting_changes(record, plan.spec)
    keys = [words.removeprefix("setting ").split()[0] for words in settings]
    of_data = any(is_part_of(key, ("data",)) for key in keys)
    of_split = any(is_part_of(key, ("split",)) for key in keys)
    data = [] if of_data else list(_data_changes(folder, record, plan))
    split = []
    # Another image can deal a split anew. Only a split that is read from a file stands for itself.
    if not of_data and not of_split and (not data or plan.split_file is not None):
        split = list(_split_changes(folder, record, plan))
    weights = [] if "model.weights" in keys else list(_weights_changes(record, plan))
    return [*settings, *data, *split, *weights]


def same_spec_on_other_data(plan: Plan) -> str | None:
    """A line about the latest run of the same spec on other data; None if there is none."""
    if plan.folder.path.exists():
        return None
    spec = dump(plan.spec)
    tables = [
        table
        for table in plan.folder.path.parent.glob(f"*/{FILE}")
        if ".old-" not in table.parent.name and _text(table.with_name("spec.yaml")) == spec
    ]
    for table in sorted(tables, key=lambda file: file.stat().st_mtime, reverse=True):
        before = read_image_table(table)
        changes = before and describe_changes(before, contents_of(plan.dataset))
        if changes:
            return f"A new run, because the data differ from those of {table.parent}: {changes}"
    return None


def _data_changes(folder: RunFolder, record: Record, plan: Plan) -> Iterator[str]:
    if record.data == plan.dataset.manifest:
        return
    classes = (tuple(record.class_weights), plan.dataset.classes)
    if classes[0] != classes[1]:
        yield f"classes {', '.join(classes[0])} -> {', '.join(classes[1])}"
    if record.white != plan.dataset.white:
        yield f"white level {record.white} -> {plan.dataset.white}"
    before = read_image_table(folder.file(FILE))
    if before is None:
        yield (
            f"data: it had {record.image_count} images and now there are {len(plan.dataset)}; it "
            f"keeps no {FILE}, which would tell what changed"
        )
    elif changes := describe_changes(before, contents_of(plan.dataset)):
        yield f"data: {changes}"


def _split_changes(folder: RunFolder, record: Record, plan: Plan) -> Iterator[str]:
    """Images that moved to another part; images that came or went belong to the data."""
    if record.split["parts"]["digest"] == plan.split_summary["parts"]["digest"]:
        return
    text = _text(folder.file("split.csv"))
    if text is None:
        yield "split: its parts hold other images; the run keeps no split.csv, which would tell"
        return
    before = _parts(text)
    now = _parts(split_csv(plan.dataset, plan.split))
    moved = [
        f"{name} {before[name]} -> {now[name]}"
        for name in sorted(before.keys() & now.keys())
        if before[name] != now[name]
    ]
    if moved:
        rest = f" and {len(moved) - _NAMED} more" if len(moved) > _NAMED else ""
        names = ", ".join(moved[:_NAMED]) + rest
        yield f"split: {len(moved)} image{'s' * (len(moved) > 1)} moved: {names}"


def _weights_changes(record: Record, plan: Plan) -> Iterator[str]:
    start = record.provenance.get("start")
    if isinstance(start, Mapping) and plan.start is not None:
        recorded = f"{start.get('digest')} {start.get('weights')}"
        if recorded != plan.start.identity:
            yield f"the run that it starts with, {plan.start.folder}: other weights"
    unlabelled = record.provenance.get("unlabelled")
    if isinstance(unlabelled, Mapping) and plan.unlabelled is not None:
        facts = plan.unlabelled.facts
        if (unlabelled.get("digest"), unlabelled.get("weights")) != (facts.digest, facts.weights):
            yield f"the teacher, {facts.folder}: other weights"
        if unlabelled.get("images") != facts.images:
            yield "data.unlabelled: other images"
    before = record.provenance.get("initial_weights")
    if before is not None and before != plan.initial_weights:
        path = plan.spec.model.settings.get("weights")
        yield f"weights file {path}: {'other content' if plan.initial_weights else 'not there'}"


def _parts(table: str) -> dict[str, str]:
    """Image -> its part in a split.csv; the split `overfit` has images in two."""
    parts: dict[str, list[str]] = defaultdict(list)
    for row in list(csv.reader(io.StringIO(table)))[1:]:
        if len(row) == 2:
            parts[row[0]].append(row[1])
    return {name: " and ".join(sorted(own)) for name, own in parts.items()}


def _value(settings: Mapping[str, Any], key: str) -> str:
    return str(settings[key]) if key in settings else "not set"


def _text(file: Path) -> str | None:
    return file.read_text("utf-8") if file.is_file() else None
