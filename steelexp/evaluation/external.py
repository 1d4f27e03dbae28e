"""Evaluation of a trained network on labelled images that its run never saw."""

import numpy as np

from steelexp.data.dataset import Dataset
from steelexp.evaluation.detection import DetectionCounts
from steelexp.evaluation.evaluator import Rows
from steelexp.evaluation.head_report import RankingCounter, head_report
from steelexp.evaluation.report import report
from steelexp.evaluation.result import EvaluationResult, PartCounts
from steelexp.evaluation.review import Review
from steelexp.evaluation.score_histograms import ScoreCounter, grid_with
from steelexp.inference.scoring import Scorer, score_images
from steelexp.metric_names import Part
from steelexp.metrics import image_metrics
from steelexp.records.postprocessing import ClassRules, Postprocessing

PIXELS_PER_BATCH = 2**20
"""Pixels of a batch of whole images; a larger image is a batch of its own."""


def evaluate_external(
    scorer: Scorer,
    dataset: Dataset,
    rows: Rows,
    groups: Rows,
    *,
    threshold: float,
    postprocessing: Postprocessing | None,
    source: object = "the network",
) -> EvaluationResult:
    """Evaluate a network on images of a data set, as a run is evaluated on its test images.

    Images go through the network whole, whatever their size. Nothing is tuned on them.

    Args:
        scorer: Scorer of the network.
        dataset: Data set with the network's classes, in the network's order.
        rows: Numbers of the images, [R].
        groups: Group of near-duplicates of each of them, [R].
        threshold: Score threshold of the run.
        postprocessing: Rules of the run; None where it tuned none.
        source: File of the network's weights, for messages.

    Returns:
        The evaluation with the parts "test" and, with rules, "test_post".
    """
    fixed = [ClassRules(threshold=threshold)] * len(dataset.classes)
    rules = fixed if postprocessing is None else list(postprocessing.classes.values())
    scores = ScoreCounter(grid_with(threshold))
    review = Review(dataset.classes)
    detection = DetectionCounts(rules, review.add)
    ranking = RankingCounter()
    for image in score_images(scorer, dataset, rows, max_pixels=PIXELS_PER_BATCH, network=source):
        scores.add(image)
        detection.add(image)
        ranking.add(image)
    histograms = scores.histograms
    counts = histograms.counts_at(np.array(histograms.index_of(threshold)))
    parts: dict[Part, PartCounts] = {"test": PartCounts(rows, counts)}
    if postprocessing is not None:
        parts["test_post"] = PartCounts(rows, detection.counts)
    metrics: dict[str, float] = {}
    for part, each in parts.items():
        metrics |= image_metrics(each.counts, dataset.classes, part)
    has_rules = postprocessing is not None
    return EvaluationResult(
        parts=parts,
        metrics=metrics,
        postprocessing=postprocessing,
        report=report(
            "test",
            dataset.classes,
            groups,
            histograms,
            counts,
            detection,
            post=has_rules,
            head=ranking.ranking and head_report(dataset.classes, ranking.ranking),
        ),
        review=review,
    )
