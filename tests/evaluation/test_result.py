import json

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet

from steelexp.counts import Counts
from steelexp.evaluation.detection import DetectionCounts
from steelexp.evaluation.report import report
from steelexp.evaluation.result import EvaluationResult, write_image_scores, write_result
from steelexp.evaluation.score_histograms import Histograms, grid_with
from steelexp.inference.scoring import ScoredImage
from steelexp.records.evaluation_report import read_evaluation_report
from steelexp.records.postprocessing import ClassRules
from tests.fakes import labelled


def evaluated():
    histograms, found = Histograms(grid_with(0.5)), DetectionCounts([ClassRules(threshold=0.5)] * 2)
    for row in range(2):
        scores = np.tile(np.linspace(0, 1, 500, dtype=np.float32), (2, 2, 1)).transpose(1, 2, 0)
        image = ScoredImage(row, scores, (scores[..., 0] > 0.7).astype(np.uint8))
        histograms.add(image)
        found.add(image)
    scores, groups = histograms.scores, np.arange(2)
    fixed = scores.at(np.array(scores.place(0.5)))
    return report("test", ("1", "2"), groups, scores, fixed, found, post=False)


@pytest.fixture
def result():
    counts = Counts(
        tp=np.array([[3, 0], [0, 2]]), fp=np.array([[1, 0], [4, 0]]), fn=np.array([[2, 0], [0, 1]])
    )
    return EvaluationResult(["val", "test"], np.array([2, 0]), counts, {}, None, evaluated())


THREE = labelled([[1, 1]] * 3)
GROUPS = np.array([7, 8, 9])


def test_image_scores_have_a_row_a_image_and_class(result, tmp_path):
    path = write_image_scores(tmp_path, THREE, GROUPS, result)
    assert path == tmp_path / "image_scores.parquet"
    tuned = {"part": "val", "image": "00002.jpg", "group": 9}
    tested = {"part": "test", "image": "00000.jpg", "group": 7}
    assert parquet.read_table(path).to_pylist() == [
        {**tuned, "class": "1", "tp": 3, "fp": 1, "fn": 2, "dice": 6 / 9},
        {**tuned, "class": "2", "tp": 0, "fp": 0, "fn": 0, "dice": 1.0},
        {**tested, "class": "1", "tp": 0, "fp": 4, "fn": 0, "dice": 0.0},
        {**tested, "class": "2", "tp": 2, "fp": 0, "fn": 1, "dice": 4 / 5},
    ]


def test_image_scores_replace_a_file_whole(result, tmp_path):
    (tmp_path / "image_scores.parquet").write_text("torn")
    write_image_scores(tmp_path, THREE, GROUPS, result)
    assert [path.name for path in tmp_path.iterdir()] == ["image_scores.parquet"]
    assert parquet.read_table(tmp_path / "image_scores.parquet").num_rows == 4


def test_everything_is_written_and_read_again(result, tmp_path):
    folder = tmp_path / "run"
    write_result(folder, THREE, GROUPS, result)
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))
    plots = [f"plots/{name}.png" for name in ("calibration", "confusion", "pr")]
    assert files == ["evaluation.json", "image_scores.parquet", *plots]
    assert read_evaluation_report(folder) == result.report
    for plot in plots:
        with Image.open(folder / plot) as picture:
            assert picture.size == (900, 750)
            assert np.ptp(np.asarray(picture.convert("RGB")), axis=-1).max() > 50  # in colour
    text = json.loads((folder / "evaluation.json").read_text())
    assert text["images"]["2"]["recall"] is None  # class 2 is nowhere
