"""The result of an evaluation and the files that store it."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.counts import Counts
from steelexp.data.dataset import Dataset
from steelexp.evaluation import plots
from steelexp.evaluation.review import Review
from steelexp.evaluation.review_files import write_review
from steelexp.metric_names import Part
from steelexp.records import evaluation_report, image_scores
from steelexp.records.atomic import write_atomically
from steelexp.records.evaluation_report import EvaluationReport
from steelexp.records.image_scores import ImageScores, write_image_scores
from steelexp.records.postprocessing import Postprocessing

Rows = npt.NDArray[np.int64]

PLOTS = "plots"


class PartCounts(NamedTuple):
    """Pixels on the images of one part.

    Attributes:
        rows: Image numbers, [S].
        counts: Pixels, [S, C] each.
    """

    rows: Rows
    counts: Counts


class EvaluationResult(NamedTuple):
    """The evaluation of a network on validation and test images.

    Attributes:
        parts: Pixels of each part; "test_post" is the test images after post-processing, and
            "val_post" the validation images by rules of the other fifths.
        metrics: Every metric by its full name, such as "val_dice_positive/1".
        postprocessing: Rules tuned on the validation images; None without test images.
        report: Intervals, curves and detection on the test images, or on the validation images
            where there are none.
        review: Confusion of components, examples and worst images; None without a review.
    """

    parts: Mapping[Part, PartCounts]
    metrics: Mapping[str, float]
    postprocessing: Postprocessing | None
    report: EvaluationReport
    review: Review | None = None


def write_result(folder: Path, dataset: Dataset, groups: Rows, result: EvaluationResult) -> None:
    """Write image_scores.parquet, evaluation.json, the plots and the review."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {part: _image_scores(dataset, groups, each) for part, each in result.parts.items()}
    write_image_scores(folder / image_scores.FILE, tables)
    text = result.report.model_dump_json() + "\n"
    write_atomically(folder / evaluation_report.FILE, text.encode())
    for name, figure in plots.draw(result.report).items():
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=150)
        write_atomically(folder / PLOTS / f"{name}.png", picture.getvalue())
    if result.review is not None:
        write_review(folder, dataset, result.review, result.report)


def _image_scores(dataset: Dataset, groups: Rows, part: PartCounts) -> ImageScores:
    names = tuple(dataset.names[row] for row in part.rows)
    return ImageScores(names, groups[part.rows], tuple(dataset.classes), part.counts)
