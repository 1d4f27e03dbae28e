"""What `evaluation.json` holds beside the metrics of a record: intervals, curves, detection."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from steelexp.command_line import command_line
from steelexp.errors import UserError, explain_read_errors, reason

FILE = "evaluation.json"

Value = float | None
"""None where it is not defined, such as a precision where nothing is predicted."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PrecisionRecall(_Part):
    """Of pixels, at each threshold.

    Attributes:
        threshold: [K].
        precision: [K].
        recall: [K].
        average_precision: the sum over thresholds of precision times the step in recall.
    """

    threshold: list[float]
    precision: list[Value]
    recall: list[Value]
    average_precision: Value


class Calibration(_Part):
    """Whether scores are shares.

    Attributes:
        score: [K + 1] middle of each bin of scores.
        share: [K + 1] of its pixels that are labelled.
        pixels: [K + 1].
    """

    score: list[float]
    share: list[Value]
    pixels: list[int]


class Confusion(_Part):
    """Which class is taken for which, in pixels.

    Attributes:
        labels: "none", then the classes.
        pixels: rows truth, columns prediction. A pixel with several classes counts in the row, or
            the column, of each.
    """

    labels: list[str]
    pixels: list[list[int]]


class Detection(_Part):
    """Precision and recall of things that are counted.

    Attributes:
        precision: share of those predicted that are right.
        recall: share of those labelled that are found.
        held: labelled.
        predicted: predicted.
    """

    precision: Value
    recall: Value
    held: int
    predicted: int


class ImageDetection(Detection):
    """Dataset that hold a class; any predicted pixel predicts it.

    Attributes:
        average_precision: of images ranked by their highest score.
    """

    average_precision: Value


class EvaluationReport(_Part):
    """Of one part of the split.

    Attributes:
        schema_version: of this file.
        part: "test", or "tune" where there are no test images.
        classes: names.
        masks: what the masks of confusion, images and components come from: "decision", the run's,
            or "threshold".
        intervals: 95 % interval of each metric at the threshold, named without the part of the
            split. It says what another choice of images would give; docs/statistics.md has the
            method.
        no_interval: Metric without an interval -> the reason.
        post_intervals: 95 % interval of each metric with post-processing; empty without one.
        post_no_interval: Metric with post-processing but without an interval -> the reason.
        pr: of each class.
        calibration: of each class.
        confusion: of all.
        images: of each class.
        components: of each class, by size: small below 32 x 32 pixels, large from 96 x 96.
    """

    schema_version: Literal[1] = 1
    part: Literal["test", "val"]
    classes: list[str]
    masks: Literal["postprocessing", "threshold"]
    intervals: dict[str, tuple[float, float]]
    no_interval: dict[str, str]
    post_intervals: dict[str, tuple[float, float]]
    post_no_interval: dict[str, str]
    pr: dict[str, PrecisionRecall]
    calibration: dict[str, Calibration]
    confusion: Confusion
    images: dict[str, ImageDetection]
    components: dict[str, dict[str, Detection]]


def read_evaluation_report(folder: Path) -> EvaluationReport | None:
    """The evaluation report of a finished run; None where an earlier version left none.

    Raises:
        UserError: the file is not an evaluation report.
    """
    file = folder / FILE
    if not file.is_file():
        return None
    fix = f"evaluate the run again: {command_line('evaluate', folder)}"
    try:
        with explain_read_errors(file, fix):
            return EvaluationReport.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise UserError(
            f"{file}: not an evaluation report that this version reads ({reason(error)}); {fix}"
        ) from None
