"""Mean and spread of each strategy on each class."""

import json

import numpy as np
import pandas as pd
import pytest

from analysis.per_class_table import main
from tests.simulated_runs import Study, write_study


@pytest.fixture
def runs(tmp_path):
    write_study(tmp_path / "runs", Study({"b4_dice": 0.0, "b4_focal": 0.2}, groups=20))
    return tmp_path / "runs"


def recorded(runs, name, metric):
    files = sorted((runs / name).glob("*/record.json"))
    return np.array([json.loads(file.read_text())["metrics"][metric] for file in files])


def cells(text, name):
    (row,) = [line for line in text.splitlines() if line.startswith(f"| {name} ")]
    return [cell.strip() for cell in row.split("|")[1:-1]]


def test_mean_and_spread_of_what_the_records_say(runs, capsys):
    assert main([str(runs)]) == 0
    text = capsys.readouterr().out
    row = cells(text, "b4_focal")
    for cell, key in zip(row[2:], ["dice_positive/1", "dice_positive/2"], strict=False):
        values = recorded(runs, "b4_focal", f"test_{key}")
        assert cell == f"{values.mean():.3f} ± {values.std(ddof=1):.3f}"
    overall = recorded(runs, "b4_focal", "test_dice_positive")
    assert row[-1] == f"{overall.mean():.3f} ± {overall.std(ddof=1):.3f}"
    assert text.index("| b4_focal") < text.index("| b4_dice")  # the best first
    assert "test images, in 20 groups" in text
    assert "dice_positive: per class, mean over the images that hold the class" in text


def test_kaggle_has_predicting_nothing_beside_it(runs, capsys):
    assert main([str(runs), "--metric", "dice_kaggle"]) == 0
    row = cells(capsys.readouterr().out, "(predicting nothing)")
    nothing = recorded(runs, "b4_dice", "test_dice_kaggle_all_empty")[0]
    assert row[-1] == f"{nothing:.3f}"


def test_one_run_has_no_spread(runs, capsys):
    assert main([str(runs / "b4_dice" / "0"), str(runs / "b4_focal" / "0")]) == 0
    assert "±" not in "".join(cells(capsys.readouterr().out, "b4_dice"))


def test_val_images_and_csv(runs, tmp_path, capsys):
    out = tmp_path / "new" / "table.csv"
    assert main([str(runs), "--part", "val", "--metric", "iou_pooled", "--out", str(out)]) == 0
    assert "validation images, which picked the epochs" in capsys.readouterr().out
    table = pd.read_csv(out, dtype={"class": str}).set_index(["strategy", "class"])
    values = recorded(runs, "b4_dice", "val_iou_pooled/2")
    assert table.loc[("b4_dice", "2"), "mean"] == pytest.approx(values.mean())
    assert table.loc[("b4_dice", "2"), "sd"] == pytest.approx(values.std(ddof=1))


def test_markdown_file_is_what_is_printed(runs, tmp_path, capsys):
    assert main([str(runs), "--out", str(tmp_path / "table.md")]) == 0
    assert (tmp_path / "table.md").read_text() == capsys.readouterr().out


def test_refusals(runs, tmp_path, capsys):
    for arguments, expected in (
        ([runs, "--metric", "dice_batch"], "not known per class; dice_positive"),
        ([runs, "--out", tmp_path / "x.docx"], ".md, .csv"),
        ([tmp_path / "nowhere"], "no such folder"),
    ):
        assert main([str(argument) for argument in arguments]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert expected in line
