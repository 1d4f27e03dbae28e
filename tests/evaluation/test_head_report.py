"""What a head is worth, from images worked by hand."""

import numpy as np
import pytest

from steelexp.evaluation.detection import DetectionCounts
from steelexp.evaluation.head_report import GateComparison, RankingCounter, head_report
from steelexp.inference.scoring import ScoredImage
from steelexp.records.evaluation_report import HeadReport
from steelexp.records.postprocessing import ClassRules
from tests.evaluation.test_postprocessing_search import image

GATED = ClassRules(threshold=0.5, gate="hard", min_image_score=0.5)
PLAIN = ClassRules(threshold=0.5)
DEFECT = (2, 2, 10, 20, 0.7, True)
ALARM = (2, 2, 10, 20, 0.9, False)


def headed(image_score, *blocks):
    return image(*blocks)._replace(image_scores=np.array([image_score], np.float32))


DATASET = [
    headed(0.9, DEFECT),
    headed(0.3, DEFECT),  # the gate misses it
    headed(0.2, ALARM),  # and empties this
    headed(0.6, ALARM),
    headed(0.1),
]


def counted(dataset):
    ranking = RankingCounter()
    gated, without = DetectionCounts([GATED]), DetectionCounts([PLAIN])
    for each in dataset:
        for accumulator in (ranking, gated, without):
            accumulator.add(each)
    return ranking.ranking, GateComparison(gated, without, {"1": PLAIN})


def test_a_gate_by_hand():
    ranking, gates = counted(DATASET)
    report = head_report(["1"], ranking, None, gates)
    assert report.clean is not None
    assert report.clean.model_dump() == {"images": 3, "kept": 2, "kept_without_gate": 1}
    one = report.classes["1"]
    assert one.empty == report.clean
    assert one.missed["small"].model_dump() == {
        "labelled": 2,
        "missed": 1,
        "missed_without_gate": 0,
    }
    assert one.missed["large"].labelled == 0
    # By image scores 0.9+ 0.6 0.3+ 0.2 0.1, by peaks 0.9 0.9 0.7+ 0.7+ 0.
    assert one.average_precision == pytest.approx((1 + 2 / 3) / 2, abs=1e-6)
    assert one.peak_average_precision == pytest.approx(2 / 4, abs=1e-6)
    assert one.val_average_precision is None
    assert report.rules_without_gate == {"1": PLAIN}


def test_clean_images_hold_no_class_at_all():
    """An image with one class is not clean, but an empty pair of the other class."""
    scores, bits = np.zeros((2, 8, 8, 2), np.float32), np.zeros((2, 8, 8), np.uint8)
    bits[0, :4] = 0b01
    scores[0, :4, :, 1] = 0.9  # a false alarm of the second class
    dataset = [
        ScoredImage(n, scores[n], bits[n], image_scores=np.array([0.9, 0.1], np.float32))
        for n in range(2)
    ]
    ranking = RankingCounter()
    gated, without = DetectionCounts([GATED] * 2), DetectionCounts([PLAIN] * 2)
    for each in dataset:
        for accumulator in (ranking, gated, without):
            accumulator.add(each)
    gates = GateComparison(gated, without, {"1": PLAIN, "2": PLAIN})
    report = head_report(["1", "2"], ranking.ranking, ranking.ranking, gates)
    assert report.clean.model_dump() == {"images": 1, "kept": 1, "kept_without_gate": 1}
    empty = report.classes["2"].empty
    assert empty.model_dump() == {"images": 2, "kept": 2, "kept_without_gate": 1}
    assert report.classes["2"].average_precision is None  # no image holds it
    assert report.classes["1"].val_average_precision == 0.5  # equal scores are no ranking


def test_a_network_without_a_head_has_no_ranking():
    ranking = RankingCounter()
    ranking.add(image(DEFECT))
    assert ranking.ranking is None


def test_the_report_survives_its_file():
    report = head_report(["1"], *[counted(DATASET)[0]] * 2)
    assert report.clean is None
    assert HeadReport.model_validate_json(report.model_dump_json()) == report


def test_images_of_which_more_than_half_is_ignored_say_nothing():
    def seen(share):
        valid = np.zeros(DATASET[0].bits.shape, bool)
        valid[: round(share * len(valid))] = True
        return headed(0.9, DEFECT)._replace(valid=valid)

    ranking, _ = counted([seen(1.0), seen(0.5), seen(0.4)])
    assert len(ranking.head) == 2
