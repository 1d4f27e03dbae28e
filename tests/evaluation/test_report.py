import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from steelexp.evaluation.detection import ComponentCounts, DetectionCounts
from steelexp.evaluation.report import (
    average_precision,
    calibration,
    component_detection,
    image_detection,
    precision_recall,
    report,
)
from steelexp.evaluation.score_histograms import GRID, ScoreCounter, grid_with
from steelexp.inference.scoring import ScoredImage
from steelexp.records.postprocessing import ClassRules


def bins(**pixels):
    """Pixels in the bins that begin at 0.00, 0.01, ...; b60=3 is three from 0.60."""
    counted = np.zeros(100, np.int64)
    for name, count in pixels.items():
        counted[int(name[1:])] = count
    return counted


def test_precision_and_recall_by_hand():
    curve = precision_recall(bins(b00=1, b60=2, b90=1), bins(b00=6, b60=2))
    at = {
        round(t, 2): (p, r)
        for t, p, r in zip(curve.threshold, curve.precision, curve.recall, strict=True)
    }
    assert curve.threshold == list(GRID)
    assert at[0.01] == at[0.60] == (3 / 5, 3 / 4)
    assert at[0.61] == at[0.90] == (1.0, 1 / 4)
    assert at[0.91] == (None, 0.0)
    assert curve.average_precision == pytest.approx(1 / 4 * 1 + 2 / 4 * 3 / 5 + 1 / 4 * 4 / 12)
    assert precision_recall(bins(), bins(b00=3)).recall == [None] * 99


def test_average_precision_is_scikit_learns():
    draw = np.random.default_rng(0)
    levels, truth = draw.integers(0, 7, 200), draw.random(200) < 0.3
    counted = [np.bincount(levels[which], minlength=7) for which in (truth, ~truth)]
    wanted = average_precision_score(truth, levels)
    assert average_precision(*counted) == pytest.approx(wanted, abs=1e-6)
    assert average_precision(0 * counted[0], counted[1]) is None


def test_calibration_by_hand():
    curve = calibration(bins(b00=1, b99=3), bins(b00=3, b99=1))
    assert (curve.score[0], curve.score[-1]) == (0.005, 0.995)
    assert (curve.share[0], curve.share[1], curve.share[-1]) == (0.25, None, 0.75)
    assert (curve.pixels[0], sum(curve.pixels)) == (4, 8)


def image(scores, bits):
    return ScoredImage(0, np.array([scores], np.float32), np.array([bits], np.uint8))


def test_images_by_hand():
    found = DetectionCounts([ClassRules(threshold=0.5)])
    for highest, held in ((0.9, 1), (0.8, 0), (0.7, 1), (0.2, 1), (0.1, 0)):
        found.add(image([[0.0], [highest]], [0, held]))
    assert image_detection(found, 0).model_dump() == {
        "precision": pytest.approx(2 / 3),
        "recall": pytest.approx(2 / 3),
        "labelled": 3,
        "predicted": 3,
        "average_precision": pytest.approx((1 + 2 / 3 + 3 / 4) / 3),
    }


def test_components_by_hand():
    counts = ComponentCounts(*np.array([[4, 0, 2], [1, 0, 2], [2, 3, 0], [2, 0, 0]]))
    sizes = component_detection(counts)
    assert list(sizes) == ["small", "medium", "large"]
    assert [(each.precision, each.recall) for each in sizes.values()] == [
        (1.0, 0.25),
        (0.0, None),
        (None, 1.0),
    ]
    assert (sizes["small"].labelled, sizes["medium"].predicted) == (4, 3)


def test_curves_are_drawn_at_the_grid_whatever_was_tuned_on():
    counter = ScoreCounter(grid_with(0.333))
    detection = DetectionCounts([ClassRules(threshold=0.333)])
    for each in ([[0.3301], [0.3399]], [[0.9999], [0.5]]):
        counter.add(image(each, [0, 1]))
        detection.add(image(each, [0, 1]))
    histograms = counter.histograms
    counts = histograms.counts_at(np.array(histograms.index_of(0.333)))
    evaluation = report("val", ["1"], np.arange(2), histograms, counts, detection, post=False)
    assert len(evaluation.pr["1"].precision) == 99
    pixels = evaluation.calibration["1"].pixels
    assert (pixels[33], pixels[50], pixels[99]) == (2, 1, 1)
    assert evaluation.confusion.model_dump() == {
        "labels": ["none", "1"],
        "pixels": [[1, 1], [0, 2]],
    }
    assert evaluation.post_intervals == {}
    assert evaluation.masks == "threshold"
