"""A run as trackers know it."""

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from steelexp.data.image_table import FILE as IMAGE_TABLE
from steelexp.errors import UserError
from steelexp.metric_names import EPOCH_SECONDS, TILES_PER_SECOND, TOTAL_SECONDS
from steelexp.metrics import lower_is_better
from steelexp.plan import Plan
from steelexp.privacy import public, public_values
from steelexp.progress import say
from steelexp.records.packages import computing_packages, other_packages
from steelexp.records.provenance import FILES, running_code
from steelexp.records.search_file import JOURNAL
from steelexp.records.store import Epoch, RunFolder, run_folders
from steelexp.spec import ExperimentSpec, flat
from steelexp.spec.roots import named_roots
from steelexp.tracking.tracker import Goal, TrackedData, TrackedRun, TrackedTrial


def tracked_run(
    spec: ExperimentSpec,
    digest: str,
    folder: RunFolder,
    trial: TrackedTrial | None = None,
    *,
    facts: Mapping[str, str | int] = {},
    goal: Goal | None = None,
    data: TrackedData | None = None,
) -> TrackedRun:
    """Name, settings, git state and files of a run, for its tracker.

    Args:
        spec: Spec of the run.
        digest: Digest of the run.
        folder: Run folder.
        trial: Trial of a search that the run is, or None.
        facts: Facts beside the settings, by name; a run that was tracked before needs none.
        goal: Monitored metric and the value to beat.
        data: Data of the run; a run that was tracked before needs none.
    """
    code = running_code()
    names = ("spec.yaml", *FILES, "split.csv", "split.json")
    return TrackedRun(
        identity=f"{spec.name}/{digest}",
        name=f"{spec.name} {digest}",
        folder=folder.path,
        parameters=_parameters(spec) | dict(facts),
        tags=(spec.name, spec.loss.choice, f"seed {spec.seed}"),
        git=code.words(),
        files=tuple(folder.path / name for name in names),
        packages=computing_packages() | other_packages(),
        model=None if trial else re.sub("[^a-z0-9]+", "-", spec.name.lower()),
        trial=trial,
        goal=goal,
        data=data,
        kind="fold" if spec.split.choice == "kfold" else "run",
    )


def tracked_data(plan: Plan) -> TrackedData | None:
    """The data of a run: images.csv and split.csv, with facts about them.

    Args:
        plan: Plan of a run whose folder has these files.

    Returns:
        None where a name in the files holds a secret or the home folder; a line says so.
    """
    files = tuple(plan.folder.path / name for name in (IMAGE_TABLE, "split.csv"))
    for path in files:
        text = path.read_text("utf-8")
        if public(text) != text:
            say(f"{path}: a name in it is private; the data are not described to the tracker")
            return None
    parts = {part: len(getattr(plan.split, part)) for part in ("train", "val", "test")}
    split = plan.split_summary["parts"]["digest"]
    facts = {
        "data": plan.dataset.manifest,
        "split": split,
        "images": len(plan.dataset),
        "classes": ", ".join(plan.dataset.classes),
    }
    digest = hashlib.sha256(f"{plan.dataset.manifest} {split}".encode()).hexdigest()
    return TrackedData(_data_name(plan.spec), digest, facts | parts, files)


def _data_name(spec: ExperimentSpec) -> str:
    """For example "mask_folder-NEU_Seg": source and folders, without what leads to them."""
    roots = named_roots(spec.data.settings.get("root", "")).values()
    words = [spec.data.choice, *(Path(public(root)).name for root in roots)]
    return re.sub("[^A-Za-z0-9._-]+", "-", "-".join(filter(None, words)))[:100]


def epoch_costs(epochs: Sequence[Epoch], *, tiles: int) -> dict[str, float]:
    """What the last epoch took.

    Args:
        epochs: The epochs so far.
        tiles: Training tiles of an epoch.

    Returns:
        "epoch_seconds", training and validation; "total_seconds", of all epochs so far;
        "tiles_per_second", training tiles over seconds of training alone; "peak_memory_gib" and
        "peak_gpu_memory_gib", the most that the process held so far. The last three are missing
        where an earlier version trained the epoch, and are those of the chief where several
        workers trained.
    """
    usage = dict(epochs[-1].usage)
    costs = {
        EPOCH_SECONDS: epochs[-1].seconds,
        TOTAL_SECONDS: round(sum(epoch.seconds for epoch in epochs), 3),
    }
    if seconds := usage.pop("training_seconds", 0.0):
        costs[TILES_PER_SECOND] = round(tiles / seconds, 3)
    return costs | usage


def folder_of_runs(run: Path, name: str) -> Path | None:
    """The folder with the runs beside a run; None where the run was moved out of it.

    Args:
        run: Run folder, RUNS/NAME/DIGEST. That of a trial is RUNS/SEARCH/search/trials/ID/DIGEST,
            and that of a confirmation has confirm in the place of trials.
        name: Name of the spec.
    """
    place = run.resolve().parent
    if place.name == name:
        return place.parent
    search = place.parent.parent
    return search.parent.parent if (search / JOURNAL).is_file() else None


def best_value(runs: Path, *, data: str, split: str, monitor: str) -> float | None:
    """The best value of a metric among the finished runs below a folder, on the same images.

    Runs whose record cannot be read do not count.

    Args:
        runs: Folder of runs.
        data: Manifest of the data set.
        split: Digest of the split's parts.
        monitor: Monitored metric.
    """
    values = []
    for run in run_folders(runs):
        with suppress(UserError):
            record = run.record
            if (
                record is not None
                and (record.data, record.split["parts"]["digest"]) == (data, split)
                and record.monitor == monitor
            ):
                values.append(record.metrics.get(monitor, math.nan))
    defined = [value for value in values if not math.isnan(value)]
    return (min if lower_is_better(monitor) else max)(defined, default=None)


def _parameters(spec: ExperimentSpec) -> dict[str, Any]:
    """Every setting under a dotted key; lists as text."""
    return {
        key: json.dumps(value) if isinstance(value, (list, dict)) else value
        for key, value in public_values(flat(spec.model_dump(mode="json"))).items()
    }
