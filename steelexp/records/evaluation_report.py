"""evaluation.json: the intervals, curves and detection rates of an evaluation."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from steelexp.command_line import command_line
from steelexp.records.document import read_model
from steelexp.records.postprocessing import ClassRules
from steelexp.records.run_file import check_hash

FILE = "evaluation.json"
VERSION: Final = 1

Value = float | None
"""A figure; None where it is not defined, such as a precision where nothing is predicted."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PrecisionRecall(_Part):
    """Precision and recall of the pixels of a class, at each of K thresholds.

    Attributes:
        threshold: Thresholds, [K].
        precision: Share of the predicted pixels that are labelled, [K].
        recall: Share of the labelled pixels that are predicted, [K].
        average_precision: Sum over thresholds of precision times the step in recall.
    """

    threshold: list[float]
    precision: list[Value]
    recall: list[Value]
    average_precision: Value


class Calibration(_Part):
    """Calibration curve of a class: the share of labelled pixels by score, in K + 1 bins.

    Attributes:
        score: Middle of each bin, [K + 1].
        share: Share of the bin's pixels that are labelled, [K + 1].
        pixels: Number of pixels in the bin, [K + 1].
    """

    score: list[float]
    share: list[Value]
    pixels: list[int]


class Confusion(_Part):
    """Confusion matrix in pixels.

    Attributes:
        labels: "none", then the classes.
        pixels: Matrix with rows for the truth and columns for the prediction. A pixel with several
            classes counts in the row, or the column, of each.
    """

    labels: list[str]
    pixels: list[list[int]]


class Detection(_Part):
    """Precision and recall of images or components.

    Attributes:
        precision: Share of the predicted ones that are correct.
        recall: Share of the labelled ones that are detected.
        labelled: Number of labelled ones.
        predicted: Number of predicted ones.
    """

    precision: Value
    recall: Value
    labelled: int
    predicted: int


class ImageDetection(Detection):
    """Detection of images that hold a class; any predicted pixel predicts it.

    Attributes:
        average_precision: Average precision of the images, ranked by their highest score.
    """

    average_precision: Value


class EmptyImages(_Part):
    """Images without a defect, and how many of them stay without a prediction.

    Attributes:
        images: Number of images that hold no defect, of the class or of any.
        kept: Number of these without a predicted pixel.
        kept_without_gate: Images left empty by rules that were tuned without a gate.
    """

    images: int
    kept: int
    kept_without_gate: int


class MissedDefects(_Part):
    """Labelled components that are not detected.

    Attributes:
        labelled: Number of labelled components.
        missed: Number of these that are not detected.
        missed_without_gate: Defects missed by rules that were tuned without a gate.
    """

    labelled: int
    missed: int
    missed_without_gate: int


class ClassHead(_Part):
    """The classification head for one class.

    Attributes:
        average_precision: Average precision of the images, ranked by the image score.
        peak_average_precision: Average precision, ranked by the highest score of the pixels.
        val_average_precision: The first on the validation images; None where they are reported.
        val_peak_average_precision: The second on the validation images.
        empty: Images without the class; None without post-processing.
        missed: Missed defects by size; empty without post-processing.
    """

    average_precision: Value
    peak_average_precision: Value
    val_average_precision: Value = None
    val_peak_average_precision: Value = None
    empty: EmptyImages | None = None
    missed: dict[str, MissedDefects] = {}


class HeadReport(_Part):
    """What the classification head is worth.

    Attributes:
        clean: Images without any class; None without post-processing.
        rules_without_gate: Rules by class that were tuned without a gate.
        classes: The head by class.
    """

    clean: EmptyImages | None = None
    rules_without_gate: dict[str, ClassRules] = {}
    classes: dict[str, ClassHead]

    @property
    def sizes(self) -> list[str]:
        """Size classes of the missed defects."""
        return list(dict.fromkeys(size for each in self.classes.values() for size in each.missed))


class EvaluationReport(_Part):
    """The evaluation of one part of the split; all mappings go from class to figures.

    Attributes:
        schema_version: Version of this file.
        part: "test", or "val" where there are no test images.
        classes: Names of the classes.
        masks: Source of the masks behind confusion, images and components: "postprocessing" where
            rules were tuned, else "threshold".
        intervals: 95 % interval of each metric at the threshold, by its name without a part. It
            says what another choice of images would give; docs/statistics.md has the method.
        no_interval: Metric without an interval -> the reason.
        post_intervals: 95 % interval of each metric after post-processing; empty without it.
        post_no_interval: Metric of post-processing without an interval -> the reason.
        pr: Precision and recall of pixels.
        calibration: Calibration curves.
        confusion: Confusion matrix.
        images: Detection of images.
        components: Detection of components by size: small below 32 x 32 pixels, large from 96 x 96.
        head: The classification head; None without one.
    """

    schema_version: Literal[1] = VERSION
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
    head: HeadReport | None = None

    @model_serializer(mode="wrap")
    def _without_an_absent_head(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out the head where there is none: such a file stays as it was."""
        values: dict[str, Any] = dump(self)
        return values if self.head is not None else {k: v for k, v in values.items() if k != "head"}


def read_evaluation_report(folder: Path, files: Mapping[str, str]) -> EvaluationReport | None:
    """The evaluation report of a finished run; None where there is none.

    Args:
        folder: Folder of the evaluation.
        files: Hashes that the evaluation's own file, such as record.json, has of the others.

    Raises:
        UserError: The file is damaged, or not an evaluation report.
    """
    file = folder / FILE
    if FILE not in files and not file.is_file():
        return None
    fix = f"evaluate the run again: {command_line('evaluate', folder)}"
    check_hash(file, files.get(FILE), fix=fix)
    return read_model(
        file, EvaluationReport, noun="an evaluation report", fix=fix, has_checksum=False
    )
