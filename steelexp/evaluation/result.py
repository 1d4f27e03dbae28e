"""What an evaluate comes to, and the files it is left in."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.counts import Counts, dice
from steelexp.data.dataset import Dataset
from steelexp.evaluation import plots
from steelexp.records.atomic import replacing, write_atomically
from steelexp.records.evaluation_report import FILE, EvaluationReport
from steelexp.records.postprocessing import Postprocessing

Rows = npt.NDArray[np.int64]

STRIPS = "image_scores.parquet"
PLOTS = "plots"


class EvaluationResult(NamedTuple):
    """What a model is worth.

    Attributes:
        parts: [S] "val", "test" or "test_post": the test images again, with the post-processing.
        rows: [S] image numbers.
        counts: [S, C] pixels each.
        metrics: "val_dice_positive", "val_dice_positive/1", ... of the validation images, "test_..." of
            the test images, "test_post_..." of those with the post-processing.
        decision: tuned on the validation images; None where there are no test images to use it on.
        evaluation report: of the test images, where there are some, else of the validation images.
    """

    parts: Sequence[str]
    rows: npt.NDArray[np.int64]
    counts: Counts
    metrics: Mapping[str, float]
    postprocessing: Postprocessing | None
    report: EvaluationReport


def write_result(folder: Path, dataset: Dataset, groups: Rows, result: EvaluationResult) -> None:
    """Write image_scores.parquet, evaluation.json and plots/pr.png, calibration.png, confusion.png."""
    folder.mkdir(parents=True, exist_ok=True)
    write_image_scores(folder, dataset, groups, result)
    write_atomically(folder / FILE, (result.report.model_dump_json() + "\n").encode())
    for name, figure in plots.draw(result.report).items():
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=150)
        write_atomically(folder / PLOTS / f"{name}.png", picture.getvalue())


def write_image_scores(
    folder: Path, dataset: Dataset, groups: Rows, result: EvaluationResult
) -> Path:
    """One row a part, image and class: what every metric and every comparison starts from.

    Columns: part, image, group (of near-duplicates), class, tp, fp, fn (pixels), dice (1 where
    truth and prediction are empty).
    """
    import pyarrow as pa  # 0.1 s that --help and check need not pay
    from pyarrow import parquet

    counts, classes = result.counts, dataset.classes
    table = pa.table(
        {
            "part": np.repeat(result.parts, len(classes)),
            "image": np.repeat([dataset.names[row] for row in result.rows], len(classes)),
            "group": np.repeat(groups[result.rows], len(classes)),
            "class": np.tile(list(classes), len(result.rows)),
            "tp": counts.tp.ravel(),
            "fp": counts.fp.ravel(),
            "fn": counts.fn.ravel(),
            "dice": dice(counts).ravel(),
        }
    )
    with replacing(folder / STRIPS) as beside:
        parquet.write_table(table, beside)
    return folder / STRIPS
