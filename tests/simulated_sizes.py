"""Finished runs of several sizes whose learning curve is known."""

from dataclasses import replace
from pathlib import Path

from steelexp.comparison.evaluated_run import EvaluatedRun, read_run
from steelexp.forecast.result import SizeRuns
from steelexp.records.store import RunFolder
from steelexp.spec import read_resolved
from tests.simulated_runs import Study, write_study

IMAGES = {0.125: 100, 0.25: 200, 0.5: 400, 1.0: 800}
"""Share -> number of training images."""


def effect(images: float, *, loss: float = 0.4, exponent: float = 0.7) -> float:
    """What is missing at a number of training images from the limit, which is 0.6 plus 0.1."""
    return float(0.1 - loss * (images / 100) ** -exponent)


def sizes_of(
    root: Path, *, loss: float = 0.4, seeds: int = 3, groups: int = 120, luck: float = 0.005
) -> list[SizeRuns]:
    """Write the runs of all sizes and read them."""
    study = Study(
        effects={f"share_{share}": effect(images, loss=loss) for share, images in IMAGES.items()},
        seeds=seeds,
        groups=groups,
        suits=0.02,
        luck=luck,
        noise=0.05,
    )
    write_study(root, study)
    return [
        SizeRuns(
            share, [_run(root / f"share_{share}" / str(seed), images) for seed in range(seeds)]
        )
        for share, images in IMAGES.items()
    ]


def _run(path: Path, images: int) -> EvaluatedRun:
    folder = RunFolder(path)
    record = folder.finished_record()
    run = read_run(folder, record, read_resolved(path / "spec.yaml"), "test")
    parts = record.split["parts"] | {"train": images}
    split = record.split | {"parts": parts}
    return replace(run, record=record.model_copy(update={"split": split}))
