"""A run as trackers know it."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from steelexp.metric_names import EPOCH_SECONDS, TILES_PER_SECOND, TOTAL_SECONDS
from steelexp.privacy import public_values
from steelexp.records.provenance import FILES, running_code
from steelexp.records.store import Epoch, RunFolder
from steelexp.spec import ExperimentSpec, flat
from steelexp.tracking.tracker import TrackedRun, TrackedTrial


def tracked_run(
    spec: ExperimentSpec,
    digest: str,
    folder: RunFolder,
    trial: TrackedTrial | None = None,
    *,
    facts: Mapping[str, str | int] = {},
) -> TrackedRun:
    """Name, settings, git state and files of a run, for its tracker.

    Args:
        spec: Spec of the run.
        digest: Digest of the run.
        folder: Run folder.
        trial: Trial of a search that the run is, or None.
        facts: Facts beside the settings, by name; a run that was tracked before needs none.
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
        model=None if trial else re.sub("[^a-z0-9]+", "-", spec.name.lower()),
        weights=folder.best_weights,
        trial=trial,
    )


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


def _parameters(spec: ExperimentSpec) -> dict[str, Any]:
    """Every setting under a dotted key; lists as text."""
    return {
        key: json.dumps(value) if isinstance(value, (list, dict)) else value
        for key, value in public_values(flat(spec.model_dump(mode="json"))).items()
    }
