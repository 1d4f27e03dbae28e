"""The worst images: which, what is drawn of them, and what cannot be."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from analysis.error_gallery import main, worst
from analysis.strategies.gallery_figures import draw_pictures, draw_pixels, pictured
from steelexp.comparison.evaluated_runs import read_evaluated
from steelexp.counts import Counts
from steelexp.records.store import run_folders
from tests.simulated_runs import Study, write_run, write_study

FOUND = {  # of 10 labelled pixels of class 1 on images 0 to 4; image 4 holds none
    "b4_dice": [(9, 2, 3, 5, 0), (9, 4, 3, 5, 0)],
    "b4_focal": [(8, 4, 2, 1, 0)],
}
GROUPS = [0, 1, 1, 2, 3]


@pytest.fixture
def evaluated(tmp_path):
    for name, runs in FOUND.items():
        for seed, found in enumerate(runs):
            tp = np.array(found, np.int64)[:, None]
            held = np.array([[1], [1], [1], [1], [0]])
            pixels = Counts(tp, 10 * held - tp, 10 * held - tp)
            parts = {"test": pixels, "val": pixels}
            groups = {"test": np.array(GROUPS), "val": np.array(GROUPS)}
            write_run(tmp_path / name / str(seed), parts, groups, name=name, seed=seed)
    return read_evaluated([tmp_path], "test")


def draw_overlays(root, images, size=(60, 80), part="val"):
    for folder in run_folders(root):
        for image in images:
            path = folder.overlay(3, f"{part}_{image:04d}.jpg")  # record.best_epoch is 3
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", size[::-1], (40 * image, 90, 90)).save(path)


def test_worst_by_hand(evaluated):
    """Means over strategies of means over runs: 0.85, 0.35, 0.25, 0.3. 1 and 2 are copies."""
    assert worst(evaluated, "1", 9).tolist() == [2, 3, 0]
    assert worst(evaluated, "1", 1).tolist() == [2]
    assert worst(evaluated, "1", 9, among=[0, 1, 4]).tolist() == [1, 0]
    assert worst(evaluated, "1", 9, among=[]).tolist() == []


def test_pixels_are_those_of_the_mean_run(evaluated):
    figure = draw_pixels(evaluated, "1", worst(evaluated, "1", 2))
    axes = figure.axes[0]
    assert axes.get_title() == "test_0002.jpg\n10 labelled pixels"
    widths = [bar.get_width() for bar in axes.patches]
    assert widths == [3, 7, 7, 2, 8, 8]  # found, missed, false of b4_dice and of b4_focal
    assert [text.get_text() for text in axes.texts] == ["0.30", "0.20"]
    assert [bar.get_width() for bar in figure.axes[1].patches][:2] == [5, 5]


def test_the_command_that_draws_what_has_no_picture(evaluated, tmp_path, capsys):
    draw_overlays(tmp_path, [0], part="val")
    out = tmp_path / "out"
    assert main([str(tmp_path), "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["worst.csv", "worst_1.png"]
    command = capsys.readouterr().out.splitlines()[-1].partition("this draws them: ")[2].split()
    assert command[:4] == ["python", "-m", "steelexp", "evaluate"]
    assert command[4:] == [
        str(tmp_path / "b4_dice" / "0"),
        str(tmp_path / "b4_focal" / "0"),
        "--overlays",
        *("test_0002.jpg", "test_0003.jpg", "test_0000.jpg"),
    ]
    table = pd.read_csv(out / "worst.csv", dtype={"class": str})
    assert len(table) == 3 * 3  # images, runs
    first = table.iloc[0]
    assert first[["image", "strategy", "seed"]].tolist() == ["test_0002.jpg", "b4_dice", 0]
    assert first[["tp", "fp", "fn", "dice"]].tolist() == [3, 7, 7, 0.3]


@pytest.mark.parametrize("part", ["val", "test"])
def test_drawn_images_are_shown(evaluated, tmp_path, part):
    draw_overlays(tmp_path, [0, 3], part=part)
    out = tmp_path / "out"
    assert main([str(tmp_path), "--part", part, "--class", "1", "--out", str(out)]) == 0
    assert (out / "pictures_1.png").is_file()
    found = read_evaluated([tmp_path], part)
    assert pictured(found) == [0, 3]
    figure = draw_pictures(found, "1", worst(found, "1", 9, among=[0, 3]))
    assert [axes.get_title() for axes in figure.axes] == [
        "b4_dice, seed 0: Dice 0.50",
        "b4_focal, seed 0: Dice 0.10",
        "b4_dice, seed 0: Dice 0.90",
        "b4_focal, seed 0: Dice 0.80",
    ]
    assert [axes.images[0].get_array()[0, 0, 0] for axes in figure.axes] == [120, 120, 0, 0]


def test_wide_images_lie_below_one_another(evaluated, tmp_path):
    draw_overlays(tmp_path, [0], size=(20, 90))
    figure = draw_pictures(read_evaluated([tmp_path], "val"), "1", np.array([0]))
    assert {axes.get_subplotspec().colspan.start for axes in figure.axes} == {0}
    assert len(figure.axes) == 2


def test_pictures_need_every_strategy_and_its_best_epoch(evaluated, tmp_path, capsys):
    draw_overlays(tmp_path / "b4_dice", [0])
    assert main([str(tmp_path), "--part", "val", "--out", str(tmp_path / "out")]) == 0
    assert "Not all of them have pictures" in capsys.readouterr().out
    assert not list((tmp_path / "out").glob("pictures*"))


def test_every_class_that_is_held(tmp_path):
    study = Study({"b4_dice": 0.0, "b4_focal": 0.0}, groups=20, seeds=1)
    write_study(tmp_path / "runs", study)
    assert main([str(tmp_path / "runs"), "--count", "2", "--out", str(tmp_path / "out")]) == 0
    names = {path.name for path in (tmp_path / "out").glob("*.png")}
    assert names == {f"worst_{c}.png" for c in "1234"}


def test_refusals(evaluated, tmp_path, capsys):
    for arguments, expected in (
        ([tmp_path, "--class", "9"], "--class 9: no test image holds it; 1"),
        ([tmp_path, "--count", "0"], "--count 0: at least 1"),
        ([tmp_path / "nowhere"], "no such folder"),
    ):
        assert main([str(argument) for argument in arguments]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert expected in line
