import json

import numpy as np
import pytest
from PIL import Image

from steelexp.counts import Counts
from steelexp.evaluation.detection import DetectionCounts
from steelexp.evaluation.report import report
from steelexp.evaluation.result import EvaluationResult, PartCounts, write_result
from steelexp.evaluation.score_histograms import ScoreCounter, grid_with
from steelexp.inference.scoring import ScoredImage
from steelexp.records.evaluation_report import read_evaluation_report
from steelexp.records.image_scores import read_image_scores
from steelexp.records.postprocessing import ClassRules
from tests.fakes import labelled

THREE = labelled([[1, 1]] * 3)
GROUPS = np.array([7, 8, 9])
COUNTS = Counts(tp=np.array([[3, 0]]), fp=np.array([[1, 0]]), fn=np.array([[2, 0]]))


def evaluation_report():
    counter = ScoreCounter(grid_with(0.5))
    detection = DetectionCounts([ClassRules(threshold=0.5)] * 2)
    for row in range(2):
        scores = np.tile(np.linspace(0, 1, 500, dtype=np.float32), (2, 2, 1)).transpose(1, 2, 0)
        image = ScoredImage(row, scores, (scores[..., 0] > 0.7).astype(np.uint8))
        counter.add(image)
        detection.add(image)
    histograms = counter.histograms
    counts = histograms.counts_at(np.array(histograms.index_of(0.5)))
    return report("test", ("1", "2"), np.arange(2), histograms, counts, detection, post=False)


@pytest.fixture
def result():
    parts = {"val": PartCounts(np.array([2]), COUNTS), "test": PartCounts(np.array([0]), COUNTS)}
    return EvaluationResult(parts, {}, None, evaluation_report())


def test_image_scores_name_the_images_of_each_part(result, tmp_path):
    write_result(tmp_path, THREE, GROUPS, result)
    val, test = (read_image_scores(tmp_path / "image_scores.parquet", p) for p in ("val", "test"))
    assert (val.images, val.groups.tolist(), val.classes) == (("00002.jpg",), [9], ("1", "2"))
    assert (test.images, test.groups.tolist()) == (("00000.jpg",), [7])
    assert val.counts.tp.tolist() == [[3, 0]]


def test_everything_is_written_and_read_again(result, tmp_path):
    folder = tmp_path / "run"
    write_result(folder, THREE, GROUPS, result)
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))
    plots = [f"plots/{name}.png" for name in ("calibration", "confusion", "pr")]
    assert files == ["evaluation.json", "image_scores.parquet", *plots]
    assert read_evaluation_report(folder, {}) == result.report
    for plot in plots:
        with Image.open(folder / plot) as picture:
            assert picture.size == (900, 750)
            assert np.ptp(np.asarray(picture.convert("RGB")), axis=-1).max() > 50  # in colour
    text = json.loads((folder / "evaluation.json").read_text())
    assert text["images"]["2"]["recall"] is None  # class 2 is nowhere
