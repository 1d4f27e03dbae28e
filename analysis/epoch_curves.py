"""Runs as curves: every metric of every epoch that they have finished."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import yaml

from steelexp.errors import UserError, explain_read_errors
from steelexp.metrics import lower_is_better
from steelexp.records.store import RunFolder, run_folders

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """A run as curves.

    Attributes:
        folder: Run folder.
        name: `name` of its spec.
        seed: `seed` of its spec.
        epochs: [E] finished epochs, from 1, ascending.
        metrics: Metric name -> [E] values, NaN where an epoch has none.
    """

    folder: Path
    name: str
    seed: int
    epochs: npt.NDArray[np.int64]
    metrics: dict[str, Values]


def read_runs(paths: list[Path]) -> list[Run]:
    """Read the runs at or beneath each path that have finished an epoch, none twice.

    Raises:
        UserError: a path does not exist or leads to no such run, or a spec.yaml is not a spec.
    """
    runs_by_folder: dict[Path, Run] = {}
    for path in paths:
        if not path.is_dir():
            raise UserError(f"{path}: there is no such folder; give a run folder, or a runs folder")
        here = {folder.path.resolve(): _read_run(folder) for folder in run_folders(path)}
        started_runs = {place: run for place, run in here.items() if len(run.epochs)}
        if not started_runs:
            raise UserError(f"{path}: no run at or beneath it has finished an epoch")
        runs_by_folder |= started_runs
    return list(runs_by_folder.values())


def _read_run(folder: RunFolder) -> Run:
    path = folder.file("spec.yaml")
    try:
        with explain_read_errors(path, "run the spec again"):
            spec = yaml.safe_load(path.read_text(encoding="utf-8"))
        name = str(spec["name"])
        seed = int(spec["seed"])
    except (yaml.YAMLError, KeyError, TypeError, ValueError):
        raise UserError(f"{path}: not a spec with a name and a seed; run it again") from None
    epochs = folder.epochs
    metrics = {
        metric: np.array([epoch.metrics.get(metric, np.nan) for epoch in epochs], np.float64)
        for metric in dict.fromkeys(metric for epoch in epochs for metric in epoch.metrics)
    }
    numbers = np.array([epoch.epoch for epoch in epochs], np.int64)
    return Run(folder.path, name, seed, numbers, metrics)


def best_epoch(values: Values, metric: str) -> int:
    """Index of the best value of a metric."""
    return int(np.nanargmin(values) if lower_is_better(metric) else np.nanargmax(values))
