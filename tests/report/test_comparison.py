import pandas as pd
import pytest

from steelexp.records.store import RunFolder
from steelexp.report.comparison import comparisons
from steelexp.report.runs import read_run
from tests.simulated_runs import Study, write_study


@pytest.fixture
def study(tmp_path):
    """Two strategies, two seeds."""
    return write_study(tmp_path, Study(seeds=2, groups=20))


def read(paths):
    return [read_run(RunFolder(path)) for path in paths]


def test_means_are_the_records(study):
    runs = read(study)
    (found,) = comparisons(runs)
    for strategy, pair in zip(found.strategies, (runs[:2], runs[2:]), strict=True):
        assert strategy.name == pair[0].name
        recorded = [run.metric("dice_positive") for run in pair]
        assert strategy.runs[:, -1].tolist() == pytest.approx(recorded)


def test_one_run_is_compared_with_nothing(study):
    assert comparisons(read(study[:1])) == []


def test_a_run_on_other_labels_is_left_out_with_the_reason(study):
    table = pd.read_parquet(study[1] / "image_scores.parquet")
    table["fn"] += 1
    table.to_parquet(study[1] / "image_scores.parquet")
    (found,) = comparisons(read(study))
    assert [len(strategy.runs) for strategy in found.strategies] == [1, 2]
    assert [reason.partition(": ")[2] for reason in found.left_out] == [
        "other labels or groups of near-duplicates than in the runs beside it"
    ]


def test_the_baseline_is_the_wanted_one_or_that_of_the_shortest_name(study):
    (found,) = comparisons(read(study))
    assert found.baseline(None) == "b4_dice"
    assert found.baseline("b4_focal") == "b4_focal"
    assert found.baseline("elsewhere") == "b4_dice"
