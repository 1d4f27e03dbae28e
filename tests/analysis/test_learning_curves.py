import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from analysis.learning_curves import best_epoch, draw, main, read_runs
from steelexp.palette import CLASS_COLOURS
from steelexp.records.store import Epoch, RunFolder

METRIC = "val_dice_positive"


def make_run(place, *, name="b4_dice", seed=42, dice=(0.2, 0.6, 0.5), classes=("1", "2")):
    """A run folder with one epoch for each value of `dice`; class c scores c hundredths more."""
    folder = RunFolder(place)
    folder.write("spec.yaml", f"name: {name}\nseed: {seed}\n")
    for epoch, value in enumerate(dice, start=1):
        metrics = {"loss": 1 / epoch, "val_loss": 1.5 / epoch, METRIC: value}
        metrics |= {f"{METRIC}/{c}": value + n / 100 for n, c in enumerate(classes, start=1)}
        folder.append(Epoch(epoch, step=10 * epoch, seconds=60.0, metrics=metrics))
    return place


def read_run(place):
    (run,) = read_runs([place])
    return run


def curves(axes):
    """Label and values of every drawn curve."""
    return {line.get_label(): list(line.get_ydata()) for line in axes.lines}


def texts(legend):
    return [text.get_text() for text in legend.get_texts()]


# --- what is read


def test_a_run_is_read_without_a_torn_line(tmp_path):
    folder = make_run(tmp_path / "run", dice=(0.1,))
    RunFolder(folder).append(Epoch(2, step=20, seconds=60.0, metrics={METRIC: 0.9}))
    with (folder / "epochs.jsonl").open("a") as log:
        log.write('{"epoch": 3, "metr')
    run = read_run(folder)
    assert (run.name, run.seed) == ("b4_dice", 42)
    assert run.epochs.tolist() == [1, 2]
    assert run.metrics[METRIC].tolist() == [0.1, 0.9]
    assert np.isnan(run.metrics["loss"]).tolist() == [False, True]


def test_runs_are_found_beneath_in_order_and_none_twice(tmp_path):
    for place in ("a/2", "a/1", "b/deep/3"):
        make_run(tmp_path / place)
    make_run(tmp_path / "a" / "unborn", dice=())
    found = read_runs([tmp_path / "a" / "2", tmp_path])
    places = [str(run.folder.relative_to(tmp_path)) for run in found]
    assert places == ["a/2", "a/1", "b/deep/3"]


@pytest.mark.parametrize(
    ("values", "metric", "expected"),
    [
        ([0.2, 0.6, 0.5], "val_dice_positive", 1),
        ([0.2, 0.6, 0.1], "val_loss", 2),
        ([np.nan, 0.6, 0.9], "loss", 1),
    ],
)
def test_best_is_the_least_loss_and_the_greatest_of_anything_else(values, metric, expected):
    assert best_epoch(np.array(values), metric) == expected


# --- what is drawn


@pytest.mark.parametrize("names", [("a",), ("a", "b"), ("a", "a", "b")])
def test_a_curve_goes_over_epochs_without_a_value(tmp_path, names):
    """Tiles that are validated in every second epoch and in the last."""
    runs = []
    for number, name in enumerate(names):
        folder = RunFolder(tmp_path / str(number))
        folder.write("spec.yaml", f"name: {name}\nseed: {number}\n")
        for epoch in (1, 2, 3, 4, 5):
            metrics = {"loss": 1.0, METRIC: 0.5}
            if epoch in {2, 4, 5}:
                metrics["val_loss"] = epoch + number
            folder.append(Epoch(epoch, step=epoch, seconds=1.0, metrics=metrics))
        runs.append(read_run(folder.path))
    loss = draw(runs, "val_loss").axes[0]
    drawn = [(*line.get_xdata(), *line.get_ydata()) for line in loss.lines]
    assert (2, 4, 5, 2, 4, 5) in drawn
    assert all(np.isfinite(line.get_ydata()).all() for line in loss.lines)


def test_one_run_is_drawn_with_its_classes_and_its_best_epoch(tmp_path):
    run = read_run(make_run(tmp_path / "run"))
    loss, score = draw([run], METRIC).axes
    assert curves(loss)["training"] == [1, 1 / 2, 1 / 3]
    assert curves(loss)["validation"] == [1.5, 0.75, 0.5]
    drawn = curves(score)
    assert drawn["all classes: 0.600"] == [0.2, 0.6, 0.5]
    assert drawn["1: 0.610"] == pytest.approx([0.21, 0.61, 0.51])
    assert drawn["2: 0.620"] == pytest.approx([0.22, 0.62, 0.52])
    assert score.get_legend().get_title().get_text() == "best epoch: 2"
    (star,) = [line for line in score.lines if line.get_marker() == "*"]
    assert (star.get_xdata()[0], star.get_ydata()[0]) == (2, 0.6)
    assert score.get_ylabel() == "dice_positive, validation images"
    assert loss.get_title(loc="left") == "b4_dice, seed 42"


def test_overall_is_bolder_than_the_classes_and_classes_have_their_overlay_colours(tmp_path):
    _, score = draw([read_run(make_run(tmp_path / "run"))], METRIC).axes
    lines = {line.get_label(): line for line in score.lines}
    assert lines["all classes: 0.600"].get_linewidth() > lines["1: 0.610"].get_linewidth()
    seen = [to_hex(lines[label].get_color()) for label in ("1: 0.610", "2: 0.620")]
    assert seen == ["#56b4e9", "#e69f00"]


def test_several_runs_are_a_line_each_and_listed_from_the_best(tmp_path):
    runs = [
        read_run(make_run(tmp_path / "a", name="dice", seed=0, dice=(0.2, 0.5))),
        read_run(make_run(tmp_path / "b", name="focal", seed=0, dice=(0.1, 0.4, 0.7))),
        read_run(make_run(tmp_path / "c", name="jaccard", seed=1, dice=(0.6, 0.3))),
    ]
    figure = draw(runs, METRIC)
    (legend,) = figure.legends
    assert texts(legend) == [
        "focal, seed 0: 0.700 at epoch 3",
        "jaccard, seed 1: 0.600 at epoch 1",
        "dice, seed 0: 0.500 at epoch 2",
    ]
    loss, score = figure.axes
    drawn = curves(score)
    assert drawn["focal, seed 0: 0.700 at epoch 3"] == [0.1, 0.4, 0.7]
    assert len(loss.lines) == 6  # training and validation of three runs


def test_runs_of_one_name_look_different(tmp_path):
    runs = [read_run(make_run(tmp_path / str(seed), seed=seed)) for seed in range(20)]
    _, score = draw(runs, METRIC).axes
    lines = {line.get_label(): line for line in score.lines if ", seed" in str(line.get_label())}
    looks = {label: (line.get_color(), line.get_marker()) for label, line in lines.items()}
    assert len(looks) == len(set(looks.values())) == 20


def test_a_loss_is_ranked_from_the_least(tmp_path):
    runs = [
        read_run(make_run(tmp_path / str(count), seed=count, dice=(0.5,) * count))
        for count in (1, 3, 2)
    ]
    (legend,) = draw(runs, "val_loss").legends
    assert [text.split(":")[0] for text in texts(legend)] == [
        "b4_dice, seed 3",
        "b4_dice, seed 2",
        "b4_dice, seed 1",
    ]


def test_a_class_that_no_validation_image_holds_has_no_value_and_breaks_nothing(tmp_path):
    metrics = {METRIC: 0.4, f"{METRIC}/1": float("nan"), f"{METRIC}/2": 0.4}
    folder = make_run(tmp_path / "run", dice=())
    RunFolder(folder).append(Epoch(1, step=10, seconds=60.0, metrics=metrics))
    _, score = draw([read_run(folder)], METRIC).axes
    assert texts(score.get_legend()) == ["all classes: 0.400", "1: none", "2: 0.400"]


def test_strategies_have_a_panel_each_with_mean_and_spread_of_their_seeds(tmp_path):
    curves_of = {
        ("dice", 0): (0.2, 0.5),
        ("dice", 1): (0.4, 0.3, 0.6),
        ("focal", 0): (0.1, 0.8),
        ("focal", 1): (0.3, 0.6),
    }
    runs = [
        read_run(make_run(tmp_path / f"{name}{seed}", name=name, seed=seed, dice=dice))
        for (name, seed), dice in curves_of.items()
    ]
    focal, dice = draw(runs, METRIC).axes
    assert focal.get_title() == "focal\n0.700 ± 0.141, 2 seeds"
    assert dice.get_title() == "dice\n0.550 ± 0.071, 2 seeds"
    assert dice.get_ylim() == focal.get_ylim()
    mean = max(dice.lines, key=lambda line: line.get_linewidth())
    assert mean.get_xdata().tolist() == [1, 2]  # both seeds have finished them
    assert mean.get_ydata() == pytest.approx([0.3, 0.4])
    (band,) = dice.collections
    heights = band.get_paths()[0].vertices
    assert {round(y, 3) for x, y in heights if x == 1} == {0.2, 0.4}
    assert [0.4, 0.3, 0.6] in [list(line.get_ydata()) for line in dice.lines]
    stars = [line for line in dice.lines if line.get_marker() == "*"]
    assert [star.get_ydata()[0] for star in stars] == [0.5, 0.6]


def test_ten_strategies_stay_within_the_picture(tmp_path):
    for number in range(20):
        name = f"a_rather_long_name_of_a_strategy_{number // 2}_and_more_of_it"
        make_run(tmp_path / "runs" / str(number), name=name, seed=number % 2, dice=(0.1, 0.9))
    out = tmp_path / "curves.png"
    assert main([str(tmp_path / "runs"), "--out", str(out)]) == 0
    grey = np.asarray(Image.open(out).convert("L"))
    for places, size in zip((grey < 250).nonzero(), grey.shape, strict=True):
        assert places.min() >= 3
        assert places.max() < size - 3


# --- the command


@pytest.mark.parametrize("count", [1, 2, 40])
def test_picture_is_written_with_margins_and_its_place_is_the_last_line(tmp_path, capsys, count):
    for number in range(count):
        name = f"a_rather_long_name_of_an_experiment_{number}_and_more_of_it"
        make_run(tmp_path / "runs" / str(number), name=name, dice=(0.1, 0.99))
    out = tmp_path / "new" / "curves.png"
    assert main([str(tmp_path / "runs"), "--out", str(out)]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"learning curves of {count} run{'s' if count > 1 else ''}: {out}"
    ink = (np.asarray(Image.open(out).convert("L")) < 250).nonzero()
    height, width = np.asarray(Image.open(out)).shape[:2]
    for places, size in zip(ink, (height, width), strict=True):
        assert places.min() >= 3
        assert places.max() < size - 3


def test_without_out_the_picture_lies_here(tmp_path, monkeypatch):
    make_run(tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    assert main(["run"]) == 0
    assert (tmp_path / "learning_curves.png").is_file()


def refused(arguments, capsys):
    assert main([str(argument) for argument in arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_errors_are_one_line_and_name_the_way_out(tmp_path, capsys):
    folder = make_run(tmp_path / "run")
    assert "no such folder" in refused([tmp_path / "nowhere"], capsys)
    assert "no value of val_dise; its metrics are loss, val_loss, val_dice_positive" in refused(
        [folder, "--metric", "val_dise"], capsys
    )
    assert ".png, .pdf, .svg" in refused([folder, "--out", "curves.docx"], capsys)
    (tmp_path / "file").touch()
    assert "file" in refused([folder, "--out", tmp_path / "file" / "x.png"], capsys)


def test_folders_that_are_no_runs_are_refused(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert "has finished an epoch" in refused([tmp_path / "empty"], capsys)
    folder = make_run(tmp_path / "run")
    (folder / "spec.yaml").write_text("- 1\n")
    assert "not a spec with a name and a seed" in refused([folder], capsys)


def test_a_run_whose_only_epoch_is_torn_is_refused(tmp_path, capsys):
    folder = make_run(tmp_path / "run")
    (folder / "epochs.jsonl").write_text('{"epoch": 1, "met')
    assert "has finished an epoch" in refused([folder], capsys)


def test_a_damaged_line_is_said_with_its_place(tmp_path, capsys):
    (tmp_path / "spec.yaml").write_text("name: damaged\nseed: 1\n")
    (tmp_path / "epochs.jsonl").write_text('{"epoch": 1}\n')
    assert main([str(tmp_path)]) == 2
    assert "epochs.jsonl:1: not an epoch" in capsys.readouterr().err


def test_a_class_keeps_its_colour_where_others_are_not_held(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write("spec.yaml", "name: rare\nseed: 1\n")
    kaggle = {f"val_dice_kaggle/{c}": 0.5 for c in "123"}
    metrics = {"loss": 1.0, METRIC: 0.6, f"{METRIC}/3": 0.6, **kaggle}
    folder.append(Epoch(1, step=1, seconds=1.0, metrics=metrics))
    figure = draw(read_runs([tmp_path]), METRIC)
    (third,) = [line for line in figure.axes[1].lines if line.get_label() == "3: 0.600"]
    assert to_hex(third.get_color()) == CLASS_COLOURS[2]
