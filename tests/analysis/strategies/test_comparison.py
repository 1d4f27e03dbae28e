"""The rows of a comparison, worked out by hand."""

import numpy as np
import pytest

from analysis.strategies.comparison import ALL, compare
from steelexp.comparison.evaluated_runs import read_evaluated
from steelexp.counts import Counts
from steelexp.errors import UserError
from steelexp.metrics import PRIMARY
from tests.finished_runs import change_record, record_values
from tests.simulated_runs import Study, write_run, write_study

# --- rows by hand


def pixels(*found, area=10):
    """One class on images: so many of `area` labelled pixels found, as many marked falsely."""
    tp = np.array(found, np.int64)[:, None]
    return Counts(tp, area - tp, area - tp)


def by_hand(root, scores, groups, **fields):
    """Runs of both strategies from (found pixels of each test image), one tuple a run."""
    for name, runs in scores.items():
        for seed, found in enumerate(runs):
            parts = {"test": pixels(*found), "val": pixels(5, 5)}
            numbers = {"test": np.array(groups), "val": np.array([90, 91])}
            write_run(root / name / str(seed), parts, numbers, name=name, seed=seed, **fields)
    return read_evaluated([root], "test")


def test_a_row_by_hand(tmp_path):
    """Dice is found / 10. Groups {0, 1}, {2}, {3}: the means over runs differ by 0.15, 0.1, 0."""
    scores = {
        "b4_dice": [(4, 6, 5, 8), (6, 6, 5, 8)],
        "b4_focal": [(6, 7, 6, 7), (8, 6, 6, 8), (7, 8, 6, 9)],
    }
    evaluated = by_hand(tmp_path, scores, [7, 7, 3, 5])
    found = compare(evaluated, "b4_dice")
    (row,) = found.of(PRIMARY, "1")
    assert (row.strategy, row.baseline, row.runs, row.baseline_runs) == (
        "b4_focal",
        "b4_dice",
        3,
        2,
    )
    assert (row.images, row.groups) == (4, 3)
    means = [0.65, 0.7, 0.75]
    assert row.mean == pytest.approx(0.7)
    assert row.sd == pytest.approx(np.std(means, ddof=1))
    assert row.baseline_mean == pytest.approx((0.575 + 0.625) / 2)
    assert row.difference == pytest.approx(0.1)
    assert row.rank_biserial == pytest.approx(1.0)  # groups 0.15, 0.1, 0.0: a zero has no rank
    assert row.wilcoxon_p == pytest.approx(0.5)  # 2 of 4 signs are as extreme
    assert found.scores[PRIMARY]["b4_focal"][:, 0] == pytest.approx(means)
    (overall,) = found.of(PRIMARY, ALL)
    assert overall.difference == pytest.approx(row.difference)  # of the one class
    (kaggle,) = found.of("dice_kaggle", "1")
    assert kaggle.difference == pytest.approx(row.difference)  # every image holds it
    assert (np.isnan(kaggle.wilcoxon_p), np.isnan(kaggle.p), kaggle.verdict) == (True, True, "")


def test_verdict_needs_both_tests_and_families_are_all_classes_and_each(tmp_path):
    effects = {"b4_dice": 0.0, "b4_up": 0.3, "b4_down": -0.3, "b4_same": 0.0}
    write_study(tmp_path, Study(effects))
    rows = compare(read_evaluated([tmp_path], "test"), "b4_dice").rows
    overall = {row.strategy: row for row in rows if (row.metric, row.label) == (PRIMARY, ALL)}
    assert [overall[n].verdict for n in ("b4_up", "b4_down")] == ["higher", "lower"]
    assert overall["b4_same"].verdict == "no difference shown"
    least = min(overall.values(), key=lambda row: row.p)
    assert least.p_holm == pytest.approx(3 * least.p)
    single = [row for row in rows if row.metric == PRIMARY and row.label != ALL]
    least = min(single, key=lambda row: row.wilcoxon_p)
    assert least.wilcoxon_holm == pytest.approx(12 * least.wilcoxon_p)


def test_a_baseline_without_runs_and_a_baseline_alone_are_refused(tmp_path):
    write_study(tmp_path, Study({"b4_dice": 0.0, "b4_focal": 0.0}, seeds=1))
    evaluated = read_evaluated([tmp_path], "test")
    with pytest.raises(UserError, match=r"--baseline b4_dise: no finished run.*b4_dice, b4_focal"):
        compare(evaluated, "b4_dise")
    with pytest.raises(UserError, match="only runs of b4_dice"):
        compare(read_evaluated([tmp_path / "b4_dice"], "test"), "b4_dice")


def test_a_record_that_its_images_do_not_bear_out_is_refused(tmp_path):
    write_study(tmp_path, Study({"b4_dice": 0.0, "b4_focal": 0.0}, seeds=1))
    folder = tmp_path / "b4_focal" / "0"
    metrics = record_values(folder)["metrics"]
    assert "test_dice_kaggle" in metrics
    change_record(folder, metrics=metrics | {"test_dice_kaggle": 0.5})
    with pytest.raises(UserError, match=r"its record has dice_kaggle 0.500000, its images give"):
        compare(read_evaluated([tmp_path], "test"), "b4_dice")
