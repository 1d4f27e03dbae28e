import json

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet

from steelexp.evaluation.counts import Counts
from steelexp.evaluation.detection import Detections
from steelexp.evaluation.judgement import judgement
from steelexp.evaluation.prediction import ScoredStrip
from steelexp.evaluation.score_histograms import Histograms, grid_with
from steelexp.evaluation.verdict import Verdict, write_strip_scores, write_verdict
from steelexp.records.decision import ClassDecision
from steelexp.records.judgement import read_judgement
from tests.fakes import labelled


def judged():
    histograms, found = Histograms(grid_with(0.5)), Detections([ClassDecision(threshold=0.5)] * 2)
    for row in range(2):
        scores = np.tile(np.linspace(0, 1, 500, dtype=np.float32), (2, 2, 1)).transpose(1, 2, 0)
        strip = ScoredStrip(row, scores, (scores[..., 0] > 0.7).astype(np.uint8))
        histograms.add(strip)
        found.add(strip)
    scores, groups = histograms.scores, np.arange(2)
    fixed = scores.at(np.array(scores.place(0.5)))
    return judgement("test", ("1", "2"), groups, scores, fixed, found, decided=False)


@pytest.fixture
def verdict():
    counts = Counts(
        tp=np.array([[3, 0], [0, 2]]), fp=np.array([[1, 0], [4, 0]]), fn=np.array([[2, 0], [0, 1]])
    )
    return Verdict(["tune", "test"], np.array([2, 0]), counts, {}, None, judged())


THREE = labelled([[1, 1]] * 3)
GROUPS = np.array([7, 8, 9])


def test_strip_scores_have_a_row_a_strip_and_class(verdict, tmp_path):
    path = write_strip_scores(tmp_path, THREE, GROUPS, verdict)
    assert path == tmp_path / "strips.parquet"
    tuned = {"part": "tune", "strip": "00002.jpg", "group": 9}
    tested = {"part": "test", "strip": "00000.jpg", "group": 7}
    assert parquet.read_table(path).to_pylist() == [
        {**tuned, "class": "1", "tp": 3, "fp": 1, "fn": 2, "dice": 6 / 9},
        {**tuned, "class": "2", "tp": 0, "fp": 0, "fn": 0, "dice": 1.0},
        {**tested, "class": "1", "tp": 0, "fp": 4, "fn": 0, "dice": 0.0},
        {**tested, "class": "2", "tp": 2, "fp": 0, "fn": 1, "dice": 4 / 5},
    ]


def test_strip_scores_replace_a_file_whole(verdict, tmp_path):
    (tmp_path / "strips.parquet").write_text("torn")
    write_strip_scores(tmp_path, THREE, GROUPS, verdict)
    assert [path.name for path in tmp_path.iterdir()] == ["strips.parquet"]
    assert parquet.read_table(tmp_path / "strips.parquet").num_rows == 4


def test_everything_is_written_and_read_again(verdict, tmp_path):
    folder = tmp_path / "run"
    write_verdict(folder, THREE, GROUPS, verdict)
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))
    plots = [f"plots/{name}.png" for name in ("calibration", "confusion", "pr")]
    assert files == ["judgement.json", *plots, "strips.parquet"]
    assert read_judgement(folder) == verdict.judgement
    for plot in plots:
        with Image.open(folder / plot) as picture:
            assert picture.size == (900, 750)
            assert np.ptp(np.asarray(picture.convert("RGB")), axis=-1).max() > 50  # in colour
    text = json.loads((folder / "judgement.json").read_text())
    assert text["strips"]["2"]["recall"] is None  # class 2 is nowhere
