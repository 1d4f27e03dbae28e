"""What a study can show, as lines of text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from steelexp.comparison.evaluated_run import EvaluatedRun
from steelexp.comparison.evaluated_runs import EvaluatedRuns
from steelexp.comparison.power import FEWEST_RUNS, power
from steelexp.comparison.ratios import sums_of_runs
from steelexp.comparison.study import Study
from steelexp.errors import UserError

SHARES: Final = (0.25, 0.5, 1.0, 1.5, 2.0)
"""True differences, as shares of the one that would matter."""

SEEDS: Final = (3, 5, 10, 20, 40)
"""Numbers of seeds that are tried beside the planned one."""

STUDIES: Final = 300
"""Simulated studies for each figure: a share of 0.8 has a standard error of 2.3 points."""


def power_lines(study: Study | None, pilot: EvaluatedRuns) -> list[str]:
    """The power of a study's tests, by true difference and by number of seeds.

    Args:
        study: Study.
        pilot: Runs of the baseline, and of any strategies of the family.

    Raises:
        UserError: The pilot has too few runs of the baseline.
    """
    assert study is not None
    runs = _pilot_runs(study, pilot)
    sums = {
        name: sums_of_runs([run.counts for run in each], pilot.images.groups, study.metric)
        for name, each in runs.items()
    }
    random = np.random.default_rng(0)

    def share(differences: Sequence[float], seeds: int) -> list[float]:
        shares = power(
            sums,
            study.baseline,
            study.family.strategies,
            differences,
            seeds=seeds,
            studies=STUDIES,
            random=random,
        )
        return [float(each) for each in shares]

    differences = [part * study.difference for part in SHARES]
    sizes = ", ".join(f"{name} {len(each)}" for name, each in runs.items())
    title = (
        f"Power of {study.metric} ({study.part}), {len(study.family.strategies)} strategies beside "
        f"{study.baseline}, from a pilot ({sizes} runs, {len(pilot.images.names)} images), "
        f"{STUDIES} simulated studies for each figure"
    )
    lines = [
        title,
        f"with {study.family.seeds} seeds, share of studies that call a true difference of",
    ]
    planned = share(differences, study.family.seeds)
    lines += [f"  {d:.4f}  {p:.0%}" for d, p in zip(differences, planned, strict=True)]
    lines.append(f"share that calls the difference that would matter, {study.difference:g}, with")
    for seeds in sorted({*SEEDS, study.family.seeds}):
        lines.append(f"  {seeds:3d} seeds  {share([study.difference], seeds)[0]:.0%}")
    return lines


def _pilot_runs(study: Study, pilot: EvaluatedRuns) -> dict[str, Sequence[EvaluatedRun]]:
    """The baseline and the strategies of the family that have enough runs."""
    names = [study.baseline, *study.family.strategies]
    runs = {
        name: pilot.strategies[name]
        for name in names
        if len(pilot.strategies.get(name, ())) >= FEWEST_RUNS
    }
    if study.baseline not in runs:
        raise UserError(
            f"--power: the pilot has fewer than {FEWEST_RUNS} finished runs of {study.baseline}; "
            "train it with more seeds, others than the study's"
        )
    return runs
