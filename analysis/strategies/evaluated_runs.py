"""Finished runs by strategy, all evaluated on the same images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from analysis.strategies.comparability import (
    incomparable,
    other_images,
    other_settings,
    seeds_twice,
)
from analysis.strategies.evaluated_run import (
    EvaluatedImages,
    EvaluatedRun,
    Part,
    RunError,
    read_run,
)
from steelexp.records.record import Record
from steelexp.records.store import RunFolder, run_folders

POSTPROCESSED: Final = ", tuned"
"""Behind a strategy's name: with a post-processing tuned on the validation images."""


@dataclass(frozen=True)
class EvaluatedRuns:
    """Runs by strategy, all evaluated on the same images.

    Attributes:
        images: those.
        strategies: spec name -> its runs by ascending seed, in the order of discovery.
        left_out: unfinished runs, in words.
    """

    images: EvaluatedImages
    strategies: Mapping[str, Sequence[EvaluatedRun]]
    left_out: tuple[str, ...]

    @property
    def record(self) -> Record:
        """Of any run: threshold, definitions and split are the same in all."""
        return next(iter(self.strategies.values()))[0].record


def read_evaluated(paths: Sequence[Path], part: Part) -> EvaluatedRuns:
    """Read the finished runs at or beneath each path, none twice.

    Raises:
        RunError: there are none, one has no images in this part, or they are not comparable; all
            reasons at once.
        DamagedError: a record cannot be read.
    """
    folders = _folders(paths)
    records = {folder.path: folder.record for folder in folders}
    left_out = tuple(
        f"{folder.path}: unfinished, {len(folder.epochs)} epochs"
        for folder in folders
        if records[folder.path] is None
    )
    finished = [(f, record) for f in folders if (record := records[f.path]) is not None]
    if not finished:
        raise RunError(f"no finished run at or beneath {', '.join(map(str, paths))}")
    _raise_if(incomparable(finished, part))
    runs = [read_run(folder, record, part) for folder, record in finished]
    _raise_if([*other_images(runs), *other_settings(runs), *seeds_twice(runs)])
    strategies: dict[str, list[EvaluatedRun]] = {}
    for run in sorted(runs, key=lambda run: run.record.seed):
        strategies.setdefault(run.record.name, []).append(run)
    found = dict.fromkeys(run.record.name for run in runs)
    return EvaluatedRuns(runs[0].images, {name: strategies[name] for name in found}, left_out)


def with_postprocessed(evaluated: EvaluatedRuns, paths: Sequence[Path]) -> EvaluatedRuns:
    """The same with each strategy a second time, with a post-processing tuned on the validation images.

    Args:
        evaluated: on test images.
        paths: what it was read from.

    Raises:
        RunError: no thresholds were tuned in a run.
        DamagedError: a record cannot be read.
    """
    tuned = read_evaluated(paths, "test_post").strategies
    strategies = {
        title: runs
        for name in evaluated.strategies
        for title, runs in (
            (name, evaluated.strategies[name]),
            (f"{name}{POSTPROCESSED}", tuned[name]),
        )
    }
    return replace(evaluated, strategies=strategies)


def _folders(paths: Sequence[Path]) -> list[RunFolder]:
    found: dict[Path, RunFolder] = {}
    for path in paths:
        if not path.is_dir():
            raise RunError(f"{path}: there is no such folder; give a run folder, or a runs folder")
        for folder in run_folders(path):
            found.setdefault(folder.path.resolve(), folder)
    return list(found.values())


def _raise_if(reasons: Iterable[str]) -> None:
    if text := "\n".join(reasons):
        raise RunError(text)
