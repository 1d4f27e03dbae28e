"""What a model is worth, beyond its metrics: curves, intervals and detection."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from steelexp.comparison.intervals import MetricIntervals, metric_intervals
from steelexp.counts import Counts, Pixels
from steelexp.evaluation.detection import SIZE_CLASSES, DetectionCounts, Matches
from steelexp.evaluation.score_histograms import GRID, Scores
from steelexp.records.evaluation_report import (
    Calibration,
    Confusion,
    Detection,
    EvaluationReport,
    ImageDetection,
    PrecisionRecall,
)

Groups = npt.NDArray[np.int64]


def report(
    part: Literal["test", "val"],
    classes: Sequence[str],
    groups: Groups,
    scores: Scores,
    fixed: Counts,
    found: DetectionCounts,
    *,
    post: bool,
) -> EvaluationReport:
    """Everything that evaluation.json holds.

    Args:
        part: of the split.
        classes: [C] names.
        groups: [S] of near-duplicates.
        scores: of the images.
        fixed: [S, C] pixels with the threshold.
        found: what the post-processing, or the threshold, finds on them.
        post: whether it is the post-processing.
    """
    bins = {name: _at_grid(scores, c) for c, name in enumerate(classes)}
    fixed_intervals = metric_intervals(fixed, groups, classes)
    post_intervals = (
        metric_intervals(found.counts, groups, classes) if post else MetricIntervals({}, {})
    )
    return EvaluationReport(
        part=part,
        classes=list(classes),
        masks="postprocessing" if post else "threshold",
        intervals=fixed_intervals.ends,
        no_interval=fixed_intervals.missing,
        post_intervals=post_intervals.ends,
        post_no_interval=post_intervals.missing,
        pr={name: precision_recall(*pair) for name, pair in bins.items()},
        calibration={name: calibration(*pair) for name, pair in bins.items()},
        confusion=Confusion(labels=["none", *classes], pixels=found.confusion.tolist()),
        images={name: image_detection(found, c) for c, name in enumerate(classes)},
        components={name: by_size(each) for name, each in zip(classes, found.matches, strict=True)},
    )


def precision_recall(labelled: Pixels, other: Pixels) -> PrecisionRecall:
    """The curve of one class, from its pixels in the bins between 0, 0.01, ... 0.99, 1.

    Args:
        labelled: [K + 1] pixels with the class.
        other: [K + 1] without it.
    """
    tp, fp = (part[::-1].cumsum()[::-1] for part in (labelled, other))
    return PrecisionRecall(
        threshold=list(GRID),
        precision=[_share(*pair) for pair in zip(tp[1:], (tp + fp)[1:], strict=True)],
        recall=[_share(hit, labelled.sum()) for hit in tp[1:]],
        average_precision=average_precision(labelled, other),
    )


def average_precision(labelled: Pixels, other: Pixels) -> float | None:
    """The sum over levels of precision times the step in recall, sum P_k (R_k - R_k+1).

    Args:
        labelled: [K] how many that should be found have each level of the score, ascending.
        other: [K] how many of the others.

    Returns:
        None where nothing should be found.
    """
    tp, fp = labelled[::-1].cumsum(), other[::-1].cumsum()
    if not tp[-1]:
        return None
    precision = tp / np.maximum(tp + fp, 1)
    return round(float((precision * labelled[::-1]).sum() / tp[-1]), 6)


def calibration(labelled: Pixels, other: Pixels) -> Calibration:
    """How many pixels of each bin of scores are labelled.

    Args:
        labelled: [K + 1] pixels with the class.
        other: [K + 1] without it.
    """
    edges = np.array([0.0, *GRID, 1.0])
    pairs = zip(labelled, labelled + other, strict=True)
    return Calibration(
        score=np.round((edges[1:] + edges[:-1]) / 2, 6).tolist(),
        share=[_share(*pair) for pair in pairs],
        pixels=(labelled + other).tolist(),
    )


def image_detection(found: DetectionCounts, c: int) -> ImageDetection:
    """Whether images that hold a class are found."""
    counts = found.counts
    held, predicted = ((counts.tp + part)[:, c] > 0 for part in (counts.fn, counts.fp))
    levels = np.unique(found.highest[:, c], return_inverse=True)[1]
    return ImageDetection(
        precision=_share((held & predicted).sum(), predicted.sum()),
        recall=_share((held & predicted).sum(), held.sum()),
        held=int(held.sum()),
        predicted=int(predicted.sum()),
        average_precision=average_precision(
            *(np.bincount(levels[which], minlength=levels.max() + 1) for which in (held, ~held))
        ),
    )


def by_size(matches: Matches) -> dict[str, Detection]:
    """Components of one class: precision of predicted ones of a size, recall of labelled ones."""
    return {
        size: Detection(
            precision=_share(matches.right[k], matches.predicted[k]),
            recall=_share(matches.found[k], matches.held[k]),
            held=int(matches.held[k]),
            predicted=int(matches.predicted[k]),
        )
        for k, size in enumerate(SIZE_CLASSES)
    }


def _at_grid(scores: Scores, c: int) -> tuple[Pixels, Pixels]:
    """[K + 1] pixels of a class, and others, between the thresholds of GRID alone."""
    bins = np.searchsorted(GRID, [0.0, *scores.thresholds], side="right")
    totals = [np.zeros(len(GRID) + 1, np.int64) for _ in range(2)]
    for total, part in zip(totals, (scores.labelled, scores.other), strict=True):
        np.add.at(total, bins, part[:, c].sum(axis=0))
    return totals[0], totals[1]


def _share(above: Any, below: Any) -> float | None:
    return round(float(above) / float(below), 6) if below else None
