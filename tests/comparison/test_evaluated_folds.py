"""Strategies that are paired over folds and seeds."""

import numpy as np
import pytest

from analysis.compare_strategies import main
from steelexp.comparison.evaluated_runs import read_evaluated
from steelexp.errors import UserError
from steelexp.records.folds_file import read_folds_file
from steelexp.report.folds import folds_board, folds_lines, folds_parts
from steelexp.report.page import page
from tests.simulated_folds import write_folds_study
from tests.simulated_runs import Study

STUDY = Study(effects={"b4_dice": 0.0, "b4_focal": 0.2}, seeds=4)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    write_folds_study(root, STUDY)
    return root


def test_are_a_run_for_each_seed_on_the_images_of_all_folds(runs):
    evaluated = read_evaluated([runs], "val")
    assert {name: len(each) for name, each in evaluated.strategies.items()} == {
        "b4_dice": 4,
        "b4_focal": 4,
    }
    folds = [part.file for part in folds_parts(runs)]
    assert len(evaluated.images.names) == folds[0].images
    for each in folds:
        values = [run.metric("dice_positive") for run in evaluated.strategies[each.name]]
        assert values == pytest.approx(each.metrics["dice_positive"].seeds, abs=1e-6)


def test_the_difference_is_the_true_one(runs, tmp_path, capsys):
    words = [str(runs), "--baseline", "b4_dice", "--part", "val", "--out", str(tmp_path)]
    assert main(words) == 0
    line = next(each for each in capsys.readouterr().out.splitlines() if "b4_focal" in each)
    assert float(line.split()[1].replace("\N{MINUS SIGN}", "-")) == pytest.approx(0.2, abs=0.05)
    assert "higher" in line


def test_other_parts_and_other_folds_are_refused(runs, tmp_path):
    with pytest.raises(UserError, match="compare them with --part val"):
        read_evaluated([runs], "test")
    others = write_folds_study(tmp_path, Study(effects={"b4_bce": 0.0}, seeds=1), split_seed=7)
    with pytest.raises(UserError, match=r"other images \(split\) than"):
        read_evaluated([runs, *others], "val")


def test_a_damaged_table_is_named(tmp_path):
    (folder,) = write_folds_study(tmp_path, Study(effects={"b4_dice": 0.0}, seeds=1))
    (folder / "seed-0.parquet").write_bytes(b"")
    with pytest.raises(UserError, match=r"seed-0\.parquet: damaged"):
        read_evaluated([folder], "val")


def test_are_on_the_board_and_the_page_with_what_picked_the_epoch(runs, tmp_path):
    parts = folds_parts(runs)
    assert folds_board(parts).row_count == 2
    text = page(runs)
    assert text.count("Each fold also picked the epoch of the network") == 2
    assert f'Folds of b4_focal <span class="digest">{parts[1].file.digest}' in text
    folder = parts[0].path
    written = read_folds_file(folder)
    assert any("somewhat too high" in line for line in folds_lines(written))
    (folder / "folds.json").write_text("{}")
    try:
        assert "They cannot be read:" in page(runs)
        assert np.isin("cannot be read", folds_board(folds_parts(runs)).columns[2]._cells)
    finally:
        (folder / "folds.json").unlink()
