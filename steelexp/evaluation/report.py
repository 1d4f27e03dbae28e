"""The report of an evaluation: intervals, curves and detection, from counts."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from steelexp.comparison.intervals import MetricIntervals, metric_intervals
from steelexp.counts import Counts, Pixels
from steelexp.evaluation.detection import SIZE_CLASSES, ComponentCounts, DetectionCounts
from steelexp.evaluation.score_histograms import GRID, ScoreHistograms
from steelexp.records.evaluation_report import (
    Calibration,
    Confusion,
    Detection,
    EvaluationReport,
    HeadReport,
    ImageDetection,
    PrecisionRecall,
)

Groups = npt.NDArray[np.int64]


def report(
    part: Literal["test", "val"],
    classes: Sequence[str],
    groups: Groups,
    histograms: ScoreHistograms,
    at_threshold: Counts,
    detection: DetectionCounts,
    *,
    post: bool,
    head: HeadReport | None = None,
) -> EvaluationReport:
    """Everything that evaluation.json holds.

    Args:
        part: Part of the split.
        classes: Names of the classes, [C].
        groups: Group of near-duplicates of each image, [S].
        histograms: Scores of the images.
        at_threshold: Pixels at the threshold, [S, C] each.
        detection: Detection on the images, after post-processing or at the threshold.
        post: Whether `detection` is after post-processing.
        head: The classification head; None without one.
    """
    bins = {name: _on_grid(histograms, c) for c, name in enumerate(classes)}
    components = zip(classes, detection.components, strict=True)
    intervals = metric_intervals(at_threshold, groups, classes)
    post_intervals = MetricIntervals({}, {})
    if post:
        post_intervals = metric_intervals(detection.counts, groups, classes)
    return EvaluationReport(
        part=part,
        classes=list(classes),
        masks="postprocessing" if post else "threshold",
        intervals=intervals.bounds,
        no_interval=intervals.missing,
        post_intervals=post_intervals.bounds,
        post_no_interval=post_intervals.missing,
        pr={name: precision_recall(*pair) for name, pair in bins.items()},
        calibration={name: calibration(*pair) for name, pair in bins.items()},
        confusion=Confusion(labels=["none", *classes], pixels=detection.confusion.tolist()),
        images={name: image_detection(detection, c) for c, name in enumerate(classes)},
        components={name: component_detection(counts) for name, counts in components},
        head=head,
    )


def precision_recall(labelled: Pixels, other: Pixels) -> PrecisionRecall:
    """The precision-recall curve of one class, from its pixels in the bins 0, 0.01, ... 0.99, 1.

    Args:
        labelled: Pixels with the class, [K + 1].
        other: Pixels without it, [K + 1].
    """
    tp, fp = (pixels[::-1].cumsum()[::-1] for pixels in (labelled, other))
    return PrecisionRecall(
        threshold=list(GRID),
        precision=[_share(*pair) for pair in zip(tp[1:], (tp + fp)[1:], strict=True)],
        recall=[_share(count, labelled.sum()) for count in tp[1:]],
        average_precision=average_precision(labelled, other),
    )


def average_precision(positive: Pixels, negative: Pixels) -> float | None:
    """Sum over levels of precision times the step in recall, sum P_k (R_k - R_k+1).

    Args:
        positive: Number of positives at each level of the score, ascending, [K].
        negative: Number of negatives at each level, [K].

    Returns:
        None without positives.
    """
    tp = positive[::-1].cumsum()
    fp = negative[::-1].cumsum()
    if not tp[-1]:
        return None
    precision = tp / np.maximum(tp + fp, 1)
    return round(float((precision * positive[::-1]).sum() / tp[-1]), 6)


def calibration(labelled: Pixels, other: Pixels) -> Calibration:
    """The calibration curve of one class: the share of labelled pixels in each bin of scores.

    Args:
        labelled: Pixels with the class, [K + 1].
        other: Pixels without it, [K + 1].
    """
    edges = np.array([0.0, *GRID, 1.0])
    pairs = zip(labelled, labelled + other, strict=True)
    return Calibration(
        score=np.round((edges[1:] + edges[:-1]) / 2, 6).tolist(),
        share=[_share(*pair) for pair in pairs],
        pixels=(labelled + other).tolist(),
    )


def image_detection(detection: DetectionCounts, c: int) -> ImageDetection:
    """Detection of the images that hold a class."""
    counts = detection.counts
    labelled, predicted = ((counts.tp + part)[:, c] > 0 for part in (counts.fn, counts.fp))
    correct = (labelled & predicted).sum()
    levels = np.unique(detection.highest[:, c], return_inverse=True)[1]
    return ImageDetection(
        precision=_share(correct, predicted.sum()),
        recall=_share(correct, labelled.sum()),
        labelled=int(labelled.sum()),
        predicted=int(predicted.sum()),
        average_precision=average_precision(
            *(
                np.bincount(levels[kind], minlength=levels.max() + 1)
                for kind in (labelled, ~labelled)
            )
        ),
    )


def component_detection(counts: ComponentCounts) -> dict[str, Detection]:
    """Detection of components by size class: precision of predicted, recall of labelled ones."""
    return {
        size: Detection(
            precision=_share(counts.correct[k], counts.predicted[k]),
            recall=_share(counts.detected[k], counts.labelled[k]),
            labelled=int(counts.labelled[k]),
            predicted=int(counts.predicted[k]),
        )
        for k, size in enumerate(SIZE_CLASSES)
    }


def _on_grid(histograms: ScoreHistograms, c: int) -> tuple[Pixels, Pixels]:
    """Pixels with and without a class between the thresholds of GRID alone, [K + 1] each."""
    bins = np.searchsorted(GRID, [0.0, *histograms.thresholds], side="right")
    totals = [np.zeros(len(GRID) + 1, np.int64) for _ in range(2)]
    for total, pixels in zip(totals, (histograms.labelled, histograms.other), strict=True):
        np.add.at(total, bins, pixels[:, c].sum(axis=0))
    return totals[0], totals[1]


def _share(above: Any, below: Any) -> float | None:
    return round(float(above) / float(below), 6) if below else None
