"""Finished runs by strategy, all judged on the same strips."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from analysis.comparability import other_settings, other_strips, seeds_twice, strangers
from analysis.judged_run import JudgedRun, Part, RunError, Strips, read_run
from steelexp.records.record import Record
from steelexp.records.store import RunFolder, run_folders

TUNED: Final = ", tuned"
"""Behind a strategy's name: with a decision tuned on the tune strips."""


@dataclass(frozen=True)
class JudgedRuns:
    """Runs by strategy, all judged on the same strips.

    Attributes:
        strips: those.
        strategies: spec name -> its runs by ascending seed, in the order of discovery.
        left_out: unfinished runs, in words.
    """

    strips: Strips
    strategies: Mapping[str, Sequence[JudgedRun]]
    left_out: tuple[str, ...]

    @property
    def record(self) -> Record:
        """Of any run: threshold, definitions and split are the same in all."""
        return next(iter(self.strategies.values()))[0].record


def read_judged(paths: Sequence[Path], part: Part) -> JudgedRuns:
    """Read the finished runs at or beneath each path, none twice.

    Raises:
        RunError: there are none, one has no strips in this part, or they are not comparable; all
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
    _refuse(strangers(finished, part))
    runs = [read_run(folder, record, part) for folder, record in finished]
    _refuse([*other_strips(runs), *other_settings(runs), *seeds_twice(runs)])
    strategies: dict[str, list[JudgedRun]] = {}
    for run in sorted(runs, key=lambda run: run.record.seed):
        strategies.setdefault(run.record.name, []).append(run)
    found = dict.fromkeys(run.record.name for run in runs)
    return JudgedRuns(runs[0].strips, {name: strategies[name] for name in found}, left_out)


def beside_tuned(judged: JudgedRuns, paths: Sequence[Path]) -> JudgedRuns:
    """The same with each strategy a second time, with a decision tuned on the tune strips.

    Args:
        judged: on test strips.
        paths: what it was read from.

    Raises:
        RunError: no thresholds were tuned in a run.
        DamagedError: a record cannot be read.
    """
    tuned = read_judged(paths, "decided").strategies
    strategies = {
        title: runs
        for name in judged.strategies
        for title, runs in (
            (name, judged.strategies[name]),
            (f"{name}{TUNED}", tuned[name]),
        )
    }
    return replace(judged, strategies=strategies)


def _folders(paths: Sequence[Path]) -> list[RunFolder]:
    found: dict[Path, RunFolder] = {}
    for path in paths:
        if not path.is_dir():
            raise RunError(f"{path}: there is no such folder; give a run folder, or a runs folder")
        for folder in run_folders(path):
            found.setdefault(folder.path.resolve(), folder)
    return list(found.values())


def _refuse(reasons: Iterable[str]) -> None:
    if text := "\n".join(reasons):
        raise RunError(text)
