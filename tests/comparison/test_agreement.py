"""The page, evaluation.json and compare_strategies give the same intervals."""

import re

import numpy as np
import pandas as pd
import pytest

from analysis.compare_strategies import main
from analysis.strategies.comparison import ALL
from steelexp.comparison.evaluated_run import read_run
from steelexp.evaluation.detection import DetectionCounts
from steelexp.evaluation.report import report
from steelexp.evaluation.score_histograms import ScoreCounter, grid_with
from steelexp.inference.scoring import ScoredImage
from steelexp.metrics import COMPARED, HEADLINES
from steelexp.records.evaluation_report import FILE, read_evaluation_report
from steelexp.records.postprocessing import ClassRules
from steelexp.records.store import RunFolder
from steelexp.report.page import page
from steelexp.spec import read_resolved
from tests.finished_runs import reseal
from tests.simulated_runs import CLASSES, Study, write_study

BLANK = ScoredImage(0, np.zeros((1, 1, len(CLASSES)), np.float32), np.zeros((1, 1), np.uint8))


@pytest.fixture
def runs(tmp_path):
    """A study whose runs have an evaluation.json, as the evaluator makes it."""
    study = Study({"b4_dice": 0.0, "b4_focal": 0.2}, groups=40, held=(0.9, 0.8, 0.8, 0.7))
    for path in write_study(tmp_path / "runs", study):
        folder = RunFolder(path)
        run = read_run(folder, folder.record, read_resolved(path / "spec.yaml"), "test")
        histograms = ScoreCounter(grid_with(0.5))
        detections = DetectionCounts([ClassRules(threshold=0.5)] * len(CLASSES))
        histograms.add(BLANK)
        detections.add(BLANK)
        evaluation = report(
            "test",
            CLASSES,
            run.images.groups,
            histograms.histograms,
            run.counts,
            detections,
            post=False,
        )
        folder.write(FILE, evaluation.model_dump_json())
        reseal(path)
    return tmp_path / "runs"


@pytest.fixture
def tables(runs, tmp_path):
    """comparison.csv and runs.csv of the study."""
    assert main([str(runs), "--baseline", "b4_dice", "--out", str(tmp_path / "out")]) == 0
    names = ("comparison.csv", "runs.csv")
    return [pd.read_csv(tmp_path / "out" / name, dtype={"class": str}) for name in names]


def shown(*ends):
    """An interval as the page shows it."""
    return f"[{', '.join(ends)}]".replace("-", "\N{MINUS SIGN}")


def test_one_interval_for_one_difference(runs, tables):
    rows = tables[0]
    rows = rows[rows["metric"] == "dice_positive"]
    assert len(rows) == len(CLASSES) + 1
    body = re.search(r'<tbody data-base="b4_dice".*?</tbody>', page(runs), re.DOTALL)[0]
    for row in rows.itertuples():
        assert shown(f"{row.low:+.3f}", f"{row.high:+.3f}") in body


def test_one_interval_for_one_run(runs, tables):
    text = page(runs)
    for path in sorted(runs.glob("*/*")):
        files = RunFolder(path).finished_record().files
        assert FILE in files
        intervals = read_evaluation_report(path, files).intervals
        of_run = tables[1][
            (tables[1]["strategy"] == path.parent.name) & (tables[1]["seed"] == int(path.name))
        ]
        assert len(of_run) == len(COMPARED) * (len(CLASSES) + 1)
        for row in of_run.to_dict("records"):
            metric, label = row["metric"], row["class"]
            name = metric if label == ALL else f"{metric}/{label}"
            if name not in intervals:
                assert np.isnan(row["low"])
                continue
            assert (row["low"], row["high"]) == intervals[name]
            if metric in HEADLINES:
                assert shown(f"{row['low']:.3f}", f"{row['high']:.3f}") in text
