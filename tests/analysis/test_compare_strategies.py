"""The command: what it writes, draws and refuses."""

import re
import shutil
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from analysis.compare_strategies import main
from analysis.strategies.comparison import ALL, compare
from analysis.strategies.comparison_figures import (
    HIGHER,
    LOWER,
    draw_classes,
    draw_differences,
    folded,
)
from analysis.strategies.comparison_tables import markdown, probability, signed
from analysis.strategies.published_figure import draw_published
from steelexp.command_line import program
from steelexp.comparison.evaluated_runs import read_evaluated
from tests.finished_runs import change_record, record_values, reseal, unfinished
from tests.simulated_runs import CLASSES, Study, write_study

EFFECTS = {"b4_dice": 0.0, "b4_focal": 0.3, "b4_weighted_bce": -0.3, "b4_bce_dice": 0.0}


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """Runs of a strategy that is better, one that is worse and one that is neither."""
    root = tmp_path_factory.mktemp("study")
    write_study(root, Study(EFFECTS, groups=40))
    return root


@pytest.fixture(scope="session")
def comparison(study):
    return compare(read_evaluated([study], "test"), "b4_dice")


def texts(axes):
    return [text.get_text() for text in axes.texts]


def clear(picture, pixels=3):
    """Whether nothing touches the edge of a picture."""
    ink = (np.asarray(Image.open(picture).convert("L")) < 250).nonzero()
    size = Image.open(picture).size[::-1]
    return all(
        places.min() >= pixels and places.max() < length - pixels
        for places, length in zip(ink, size, strict=True)
    )


# --- tables


STUDY = """
question: Does focal help?
baseline: b4_dice
metric: dice_kaggle
part: test
family: {strategies: [b4_focal, b4_weighted_bce], seeds: 3}
difference: 0.1
minutes: 1000
"""


def test_a_study_says_what_is_tested(study, tmp_path, capsys):
    plan = tmp_path / "study.yaml"
    plan.write_text(STUDY)
    assert main([str(study), "--study", str(plan), "--out", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert "dice_kaggle less that of b4_dice" in out
    assert re.search(r"b4_focal +\S+ .*higher", out)
    assert re.search(r"b4_bce_dice +\S+ .*not in the family, not tested", out)
    text = (tmp_path / "out" / "comparison.md").read_text()
    assert "Fixed beforehand: dice_kaggle on test images, b4_focal, b4_weighted_bce tested" in text
    assert "was not kept: b4_bce_dice is not in the study, and is not tested." in text
    rows = pd.read_csv(tmp_path / "out" / "comparison.csv")
    tested = rows[rows["verdict"].notna()]
    assert set(tested["metric"]) == {"dice_kaggle"}
    assert set(tested["strategy"]) == {"b4_focal", "b4_weighted_bce"}


def test_a_study_of_post_processed_images(tmp_path, capsys):
    runs = tmp_path / "runs"
    write_study(runs, Study({"b4_dice": 0.0, "b4_focal": 0.0}, groups=40, tuned=0.2))
    plan = tmp_path / "study.yaml"
    strategies = "{strategies: [b4_focal], seeds: 3}"
    text = STUDY.replace("part: test", "part: test_post")
    plan.write_text(re.sub(r"family: .*", f"family: {strategies}", text))
    assert main([str(runs), "--study", str(plan), "--out", str(tmp_path / "out")]) == 0
    assert "dice_kaggle less that of b4_dice" in capsys.readouterr().out
    comparison = (tmp_path / "out" / "comparison.md").read_text()
    assert comparison.startswith("# Strategies beside b4_dice: test images, post-processed")


def test_power_is_printed_by_difference_and_by_seeds(study, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("analysis.strategies.power_table.STUDIES", 4)
    plan = tmp_path / "study.yaml"
    plan.write_text(STUDY)
    assert main([str(study), "--study", str(plan), "--power"]) == 0
    out = capsys.readouterr().out
    assert "from a pilot (b4_dice 3, b4_focal 3, b4_weighted_bce 3 runs" in out
    assert re.search(r"\n  0\.2000  100%\n", out)
    assert re.search(r"\n   40 seeds  \d+%\n", out)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--study", "PLAN", "--baseline", "b4_dice"], "--baseline: the study says it"),
        (["--study", "PLAN", "--postprocessed"], "--postprocessed: the study says it"),
        (["--power", "--baseline", "b4_dice"], "--power: what is planned is in a study file"),
        ([], "--baseline NAME or --study FILE is needed"),
    ],
)
def test_contradictions_are_refused(study, tmp_path, capsys, options, message):
    plan = tmp_path / "study.yaml"
    plan.write_text(STUDY)
    words = [str(plan) if word == "PLAN" else word for word in options]
    assert main([str(study), *words, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_tuned_thresholds_beside_the_fixed_one(tmp_path, capsys):
    write_study(tmp_path / "runs", Study({"b4_dice": 0.0, "b4_focal": 0.0}, groups=40, tuned=0.2))
    command = [
        str(tmp_path / "runs"),
        "--baseline",
        "b4_dice",
        "--postprocessed",
    ]
    assert main([*command, "--out", str(tmp_path / "out")]) == 0
    rows = pd.read_csv(tmp_path / "out" / "comparison.csv", dtype={"class": str})
    found = rows[(rows["metric"] == "dice_positive") & (rows["class"] == ALL)]
    verdicts = dict(zip(found["strategy"], found["verdict"], strict=True))
    assert verdicts == {
        "b4_focal": "no difference shown",
        "b4_dice, post-processed": "higher",
        "b4_focal, post-processed": "higher",
    }
    assert "tuned on the validation images" in (tmp_path / "out" / "comparison.md").read_text()
    capsys.readouterr()
    assert main([*command, "--part", "val"]) == 2
    assert "use --part test" in capsys.readouterr().err


def test_runs_without_tuned_thresholds_say_how_to_get_them(study, capsys):
    assert main([str(study), "--baseline", "b4_dice", "--postprocessed"]) == 2
    assert "it has no tuned post-processing" in (error := capsys.readouterr().err)
    assert f"{program()} evaluate" in error


def test_all_is_written(study, tmp_path, capsys):
    out = tmp_path / "new" / "out"
    assert main([str(study), "--baseline", "b4_dice", "--out", str(out)]) == 0
    names = ["classes.png", "comparison.csv", "comparison.md", "differences.png", "published.png"]
    assert sorted(path.name for path in out.iterdir()) == [*names, "runs.csv"]
    assert all(clear(picture) for picture in out.glob("*.png"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("dice_positive less that of b4_dice (0.")
    assert [line.split()[0] for line in lines[1:4]] == [
        "b4_focal",
        "b4_bce_dice",
        "b4_weighted_bce",
    ]
    assert lines[1].endswith("higher")
    assert lines[3].endswith("lower")
    assert lines[-1].startswith("comparison of 4 strategies: ")
    rows = pd.read_csv(out / "comparison.csv", dtype={"class": str})
    assert len(rows) == 3 * 5 * 3  # metrics, classes and all, strategies
    assert set(rows["class"]) == {*CLASSES, ALL}
    assert rows["difference"].notna().all()
    assert rows.loc[rows["metric"] == "dice_kaggle", "p"].isna().all()
    runs = pd.read_csv(out / "runs.csv", dtype={"class": str})
    assert len(runs) == 3 * 5 * 12
    metrics = record_values(study / "b4_focal" / "2")["metrics"]
    one = runs[(runs["strategy"] == "b4_focal") & (runs["seed"] == 2)]
    for row in one.itertuples(index=False):
        name = row[0] if row[1] == ALL else f"{row[0]}/{row[1]}"
        assert row[4] == pytest.approx(metrics[f"test_{name}"])


def test_markdown_says_what_was_compared_and_how(comparison):
    text = markdown(comparison)
    assert text.startswith("# Strategies beside b4_dice: test images\n")
    images = len(comparison.evaluated.images.names)
    assert f"{images} test images, in 40 groups of near-duplicates (" in text
    assert " images, grouped split 01234567, data " in text
    assert text.count("## dice_") == 2 * 5
    assert "images that hold it" in text
    assert "images without it" in text
    assert "3 on\n  all classes, 12 on single classes" in text
    assert "Jackknife over the groups" in text
    assert "One seed only" not in text
    assert "nan" not in text
    head, rule, *body = text.partition("## dice_positive, all")[2].split("\n\n")[1].splitlines()
    assert {row.count("|") for row in (head, rule, *body)} == {13}
    assert body[0].startswith("| b4_dice (baseline) | 3 | 0.")
    assert body[1].startswith("| b4_focal | 3 | ")
    empty = comparison.evaluated.record.metrics["test_dice_kaggle_all_empty"]
    assert f"Predicting nothing scores {empty:.3f} in dice_kaggle" in text


@pytest.mark.parametrize("single", [["b4_bce_dice", "b4_dice", "b4_focal"], ["b4_dice"]], ids=str)
def test_one_seed_gets_no_verdict_and_is_said_to_have_no_seed_part(single, tmp_path, capsys):
    effects = {name: 0.3 if name == "b4_focal" else 0.0 for name in sorted(EFFECTS)[:3]}
    for folder in write_study(tmp_path / "runs", Study(effects, groups=40, seeds=2)):
        if folder.parent.name in single and folder.name == "1":
            shutil.rmtree(folder)
    out = tmp_path / "out"
    assert main([str(tmp_path / "runs"), "--baseline", "b4_dice", "--out", str(out)]) == 0
    printed = capsys.readouterr()
    assert f"One seed only of {', '.join(single)}" in printed.err
    assert [line.endswith("one seed, no verdict") for line in printed.out.splitlines()[1:3]] == [
        True,
        True,
    ]
    rows = pd.read_csv(out / "comparison.csv", dtype={"class": str})
    assert rows["verdict"].isna().all()
    assert rows["seed_error"].isna().all()
    assert rows["low"].notna().all()
    assert "its intervals have no seed part" in (out / "comparison.md").read_text()


def test_unfinished_runs_and_rare_classes_are_named(tmp_path, capsys):
    runs = tmp_path / "runs"
    write_study(runs, Study(EFFECTS, groups=60, held=(0.9, 0.9, 0.9, 0.05)))
    unfinished(runs / "b4_focal" / "9", name="b4_focal", seed=9)
    out = tmp_path / "out"
    assert main([str(runs), "--baseline", "b4_dice", "--out", str(out)]) == 0
    err, text = capsys.readouterr().err, (out / "comparison.md").read_text()
    assert f"{runs / 'b4_focal' / '9'}: unfinished, 0 epochs" in err
    assert f"Left out: {runs / 'b4_focal' / '9'}: unfinished" in text
    assert "Class 4 is held by" in err
    assert "Class 1" not in err


def test_val_images_and_leaks_are_said_in_every_title(tmp_path):
    runs = tmp_path / "runs"
    for folder in write_study(runs, Study(EFFECTS, groups=20)):
        split = record_values(folder)["split"]
        split["parts"]["leak"]["val"] = 5
        change_record(folder, split=split)
    found = compare(read_evaluated([runs], "val"), "b4_dice")
    text = markdown(found)
    assert "validation images, which picked the epochs" in text.splitlines()[0]
    assert "Leak: 5 of them have a copy among the training images" in text
    for figure in (draw_differences(found, "dice_positive"), draw_classes(found, "dice_kaggle")):
        title = figure.get_suptitle()
        assert "12 validation images, which picked the epochs, 5 with a copy in training" in title


def test_figures_are_written_as_people_write_them():
    assert [signed(x) for x in (0.0314, -0.0314, -0.0001, float("nan"))] == [
        "+0.031",
        "−0.031",
        "+0.000",
        "-",
    ]
    assert [probability(p) for p in (0.0004, 0.0123, float("nan"))] == ["<0.001", "0.012", "-"]


# --- figures


def test_forest_has_an_interval_a_strategy_and_class(comparison):
    figure = draw_differences(comparison, "dice_positive")
    titles = [axes.get_title().split("\n")[0] for axes in figure.axes]
    assert titles == ["all classes", "class 1", "class 2", "class 3", "class 4"]
    order = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert order == ["b4_focal", "b4_bce_dice", "b4_weighted_bce"]
    zero, *lines = figure.axes[0].lines
    assert set(zero.get_xdata()) == {0.0}
    rows = {row.strategy: row for row in comparison.of("dice_positive", ALL)}
    for name, (line, marker) in zip(order, list(pairwise(lines))[::2], strict=True):
        assert list(line.get_xdata()) == [rows[name].low, rows[name].high]
        assert list(marker.get_xdata()) == [rows[name].difference]
    looks = [(lines[n].get_marker(), lines[n].get_color()) for n in (1, 5)]
    assert looks == [("^", HIGHER), ("v", LOWER)]
    assert lines[3].get_markerfacecolor() == "white"
    assert texts(figure.axes[0])[0] == signed(rows["b4_focal"].difference)
    assert len({axes.get_xlim() for axes in figure.axes[1:]}) == 1


def test_dots_are_the_runs_and_bars_their_means(comparison):
    figure = draw_classes(comparison, "dice_positive")
    axes = figure.axes[4]
    assert axes.get_title().startswith("class 4\n")
    order = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert order[0] == "b4_dice"
    dots, bar = axes.lines[2:4]
    scores = comparison.scores["dice_positive"]["b4_focal"][:, 3]
    assert list(dots.get_xdata()) == scores.tolist()
    assert list(bar.get_xdata()) == pytest.approx([scores.mean()] * 2)


def test_a_class_that_no_image_holds_is_drawn_as_such(tmp_path):
    write_study(tmp_path, Study(EFFECTS, groups=20))
    for file in tmp_path.glob("*/*/image_scores.parquet"):
        table = pd.read_parquet(file)
        table.loc[table["class"] == "3", ["tp", "fn"]] = 0
        table.to_parquet(file)
        reseal(file.parent)
    evaluated = read_evaluated([tmp_path], "test")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("analysis.strategies.comparison._check_record", lambda *_: None)
        found = compare(evaluated, "b4_dice")
    for drawn in (draw_differences(found, "dice_positive"), draw_classes(found, "dice_positive")):
        assert "no image" in texts(drawn.axes[3])
    assert "| b4_focal | 3 | - | - | - | - | - | - | - | - |" in markdown(found)


def test_many_classes_go_on_several_lines(tmp_path):
    names = tuple(f"a rather long name of class {n}" for n in range(8))
    effects = {f"a_rather_long_name_of_a_strategy_{n}_and_more_of_it": 0.0 for n in range(6)}
    study = Study(effects, groups=15, held=(0.8,) * 8, seeds=2)
    write_study(tmp_path / "runs", study, classes=names)
    out = tmp_path / "out"
    command = [str(tmp_path / "runs"), "--baseline", next(iter(effects))]
    assert main([*command, "--out", str(out)]) == 0
    assert all(clear(picture) for picture in out.glob("*.png"))


def test_long_names_are_folded_at_underscores():
    assert folded("b4_focal") == "b4_focal"
    assert (
        folded("b4_tversky_effective_number_of_images") == "b4_tversky_effective_\nnumber_of_images"
    )
    assert folded("x" * 60).split("\n") == ["x" * 26, "x" * 26, "x" * 8]


# --- the published figure


def test_published_figure_is_drawn_on_its_own_axis_only(comparison):
    figure = draw_published(comparison.evaluated, "b4_dice")
    (axes,) = figure.axes
    assert axes.get_xlabel().startswith("val_dice_batch")
    assert [0.7172, 0.7172] in [list(line.get_xdata()) for line in axes.lines]
    for metric in ("dice_positive", "dice_kaggle"):
        for other in (draw_differences(comparison, metric), draw_classes(comparison, metric)):
            drawn = [x for axes in other.axes for line in axes.lines for x in line.get_xdata()]
            assert not np.isclose(drawn, 0.7172).any()
            assert "0.717" not in "".join(text for axes in other.axes for text in texts(axes))


def test_no_published_figure_where_no_spec_has_one_or_tiles_differ(study, tmp_path):
    shutil.copytree(study, tmp_path / "runs")
    folder = tmp_path / "runs" / "b4_focal" / "1"
    change_record(folder, batch_size=8)
    evaluated = read_evaluated([tmp_path / "runs"], "test")
    reason = draw_published(evaluated, "b4_dice")
    assert reason.startswith("published val_dice_batch is not drawn: it depends on the batch size")
    metrics = record_values(folder)["metrics"]
    metrics["val_other"] = metrics.pop("val_dice_batch")
    change_record(folder, metrics=metrics, monitor="val_other")
    evaluated = read_evaluated([tmp_path / "runs"], "test")
    assert draw_published(evaluated, "b4_dice").endswith("has no val_dice_batch")
    for spec in tmp_path.glob("runs/*/*/spec.yaml"):
        values = yaml.safe_load(spec.read_text())
        spec.write_text(yaml.safe_dump(values | {"published": None}))
        reseal(spec.parent)
    assert draw_published(read_evaluated([tmp_path / "runs"], "test"), "b4_dice") == ""


# --- refusals


def refused(arguments, capsys):
    assert main([str(argument) for argument in arguments]) == 2
    return capsys.readouterr().err


def test_errors_name_the_way_out_and_write_nothing(study, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    baseline = ("--baseline", "b4_dice")
    assert "no such folder" in refused(["nowhere", *baseline], capsys)
    assert "b4_dice, b4_focal" in refused([study, "--baseline", "b5"], capsys)
    for metric in ("dice_batch", "val_dice_batch", "iou_pooled"):
        error = refused([study, *baseline, "--metric", metric], capsys)
        assert "not paired image by image; dice_positive, dice_kaggle, empty_accuracy" in error
    (tmp_path / "file").touch()
    assert "file" in refused([study, *baseline, "--out", "file"], capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
