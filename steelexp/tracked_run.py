"""A run as trackers know it."""

import json
import re
from typing import Any

from steelexp.privacy import public_values
from steelexp.records.provenance import FILES, running_code
from steelexp.records.store import RunFolder
from steelexp.spec import ExperimentSpec, flat
from steelexp.tracking.tracker import TrackedRun, TrackedTrial


def tracked_run(
    spec: ExperimentSpec, digest: str, folder: RunFolder, trial: TrackedTrial | None = None
) -> TrackedRun:
    """Name, settings, git state and files of a run, for its tracker.

    Args:
        spec: Spec of the run.
        digest: Digest of the run.
        folder: Run folder.
        trial: Trial of a search that the run is, or None.
    """
    code = running_code()
    names = ("spec.yaml", *FILES, "split.csv", "split.json")
    return TrackedRun(
        identity=f"{spec.name}/{digest}",
        name=f"{spec.name} {digest}",
        folder=folder.path,
        parameters=_parameters(spec),
        tags=(spec.name, spec.loss.choice, f"seed {spec.seed}"),
        git=code.words(),
        files=tuple(folder.path / name for name in names),
        model=None if trial else re.sub("[^a-z0-9]+", "-", spec.name.lower()),
        weights=folder.best_weights,
        trial=trial,
    )


def _parameters(spec: ExperimentSpec) -> dict[str, Any]:
    """Every setting under a dotted key; lists as text."""
    return {
        key: json.dumps(value) if isinstance(value, (list, dict)) else value
        for key, value in public_values(flat(spec.model_dump(mode="json"))).items()
    }
