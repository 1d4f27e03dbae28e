"""Finished runs by strategy, all evaluated on the same images."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from steelexp.comparison.comparability import comparable
from steelexp.comparison.evaluated_folds import read_evaluated_folds
from steelexp.comparison.evaluated_run import EvaluatedImages, EvaluatedRun, read_run
from steelexp.errors import UserError
from steelexp.metric_names import Part
from steelexp.records.folds_file import folds_folders, read_folds_file
from steelexp.records.record import Record
from steelexp.records.store import RunFolder, run_folders
from steelexp.spec import read_resolved

POSTPROCESSED: Final = ", post-processed"
"""Behind a strategy's name: with a post-processing tuned on the validation images."""


@dataclass(frozen=True)
class EvaluatedRuns:
    """Runs by strategy, all evaluated on the same images.

    Attributes:
        images: Images that all runs were evaluated on.
        strategies: Spec name -> its runs by ascending seed, in the order of the folders.
        left_out: Unfinished runs, a sentence each.
    """

    images: EvaluatedImages
    strategies: Mapping[str, Sequence[EvaluatedRun]]
    left_out: tuple[str, ...]

    @property
    def record(self) -> Record:
        """Record of the first run; threshold, definitions and split are the same in all."""
        return next(iter(self.strategies.values()))[0].record


def read_evaluated(paths: Sequence[Path], part: Part) -> EvaluatedRuns:
    """Read the finished runs at or beneath each path, none twice.

    Where a path has folds at or beneath it, they are read in place of their runs, a run a seed.

    Raises:
        UserError: There are none, one cannot be read or has no images in this part, or they are
            not comparable; all reasons at once.
    """
    _check_folders(paths)
    folds = _folds(paths)
    folders = _folders(paths, {member for members in folds.values() for member in members})
    records = {folder.path: folder.record for folder in folders}
    left_out = tuple(
        f"{folder.path}: unfinished, {len(folder.epochs)} epochs"
        for folder in folders
        if records[folder.path] is None
    )
    finished = [(f, record) for f in folders if (record := records[f.path]) is not None]
    if not finished and not folds:
        raise UserError(f"no finished run at or beneath {', '.join(map(str, paths))}")
    runs = []
    unreadable = []
    for folder, record in finished:
        try:
            spec = read_resolved(folder.file("spec.yaml"))
            runs.append(read_run(folder, record, spec, part))
        except UserError as error:
            unreadable.append(str(error))
    for place in folds:
        try:
            runs += read_evaluated_folds(place, part)
        except UserError as error:
            unreadable.append(str(error))
    _raise_if(unreadable)
    _raise_if(comparable(runs)[1])
    return EvaluatedRuns(runs[0].images, by_strategy(runs), left_out)


def by_strategy(runs: Sequence[EvaluatedRun]) -> dict[str, list[EvaluatedRun]]:
    """Spec name -> its runs by ascending seed; the names in the order of the runs."""
    strategies: dict[str, list[EvaluatedRun]] = {run.record.name: [] for run in runs}
    for run in sorted(runs, key=lambda run: run.record.seed):
        strategies[run.record.name].append(run)
    return strategies


def with_postprocessed(evaluated: EvaluatedRuns, paths: Sequence[Path]) -> EvaluatedRuns:
    """Add every strategy a second time, with the post-processing that its runs tuned.

    Args:
        evaluated: Runs on test images.
        paths: Folders that they were read from.

    Raises:
        UserError: A run has no post-processing, or cannot be read.
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


def _check_folders(paths: Sequence[Path]) -> None:
    for path in paths:
        if not path.is_dir():
            raise UserError(f"{path}: there is no such folder; give a run folder, or a runs folder")


def _folds(paths: Sequence[Path]) -> dict[Path, list[Path]]:
    """Every folder of folds -> the run folders of its members."""
    places = dict.fromkeys(place for path in paths for place in folds_folders(path))
    return {
        place: [
            (place.parent / member.digest).resolve() for member in read_folds_file(place).members
        ]
        for place in places
    }


def _folders(paths: Sequence[Path], members: Collection[Path]) -> list[RunFolder]:
    """The run folders at or beneath each path, without the members of folds."""
    folders: dict[Path, RunFolder] = {}
    for path in paths:
        for folder in run_folders(path):
            folders.setdefault(folder.path.resolve(), folder)
    return [folder for place, folder in folders.items() if place not in members]


def _raise_if(reasons: Iterable[str]) -> None:
    if lines := list(reasons):
        raise UserError(*lines)
