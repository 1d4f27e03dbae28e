"""Figures, tables and the command over searches whose outcome is known."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from analysis import search_history
from analysis.search_history import main
from analysis.searches.cost_figure import draw_cost, pareto_front
from analysis.searches.parallel_coordinates import OFF, draw_parallel
from analysis.searches.search_figures import best_so_far, draw_progress, worst_drawn
from analysis.searches.search_tables import spent, warnings
from analysis.searches.search_trials import read_search
from tests.simulated_searches import hyperband_search, random_search, search, trial, write_search

RATE = "optimizer.learning_rate"


def values(rate=1e-3, loss="dice", batch=8, **more):
    return {RATE: rate, "loss.name": loss, "training.batch_size": batch, **more}


def scored(*scores, **changes):
    """A search whose trials have these scores, None for a failed one."""
    return search([trial(n, values(), score) for n, score in enumerate(scores)], **changes)


def read(tmp_path, content):
    return read_search(write_search(tmp_path, content))


def labels(axes):
    return {line.get_label(): line for line in axes.lines}


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    monkeypatch.setattr(search_history, "DRAWS", 2)


# --- progress


def test_best_so_far_by_hand(tmp_path):
    assert best_so_far(read(tmp_path, scored(0.3, 0.2, None, 0.5))) == [0.3, 0.3, 0.5]
    least = scored(0.3, 0.2, 0.5, direction="min", objective="val_loss")
    assert best_so_far(read(tmp_path, least)) == [0.3, 0.2, 0.2]


def test_progress_shows_trials_best_and_failures(tmp_path):
    content = scored(0.3, None, 0.5, None, 0.4)
    (axes,) = draw_progress(read(tmp_path, content)).axes
    drawn = labels(axes)
    assert drawn["trial"].get_xdata().tolist() == [0, 2, 4]
    assert drawn["failed (2)"].get_xdata().tolist() == [1, 3]
    assert drawn["best so far"].get_ydata().tolist() == [0.3, 0.5, 0.5, 0.5]
    assert drawn["best: 0.5, trial 0002"].get_xdata().tolist() == [2]
    assert axes.get_ylabel() == "dice_positive, validation images"
    assert axes.get_ylim()[0] < 0.3


def test_rungs_are_joined(tmp_path):
    (axes,) = draw_progress(read(tmp_path, hyperband_search(9))).axes
    joined = [line for line in axes.lines if line.get_label() == "the same trial, continued"]
    assert len(joined) == 3 + 1


def test_a_score_far_off_is_drawn_at_the_edge(tmp_path):
    content = scored(0.3, 0.4, 0.35, 1e6, 0.5, direction="min", objective="val_loss")
    found = read(tmp_path, content)
    assert worst_drawn(found) == 0.5
    (axes,) = draw_progress(found).axes
    assert labels(axes)["worse than the scale (1)"].get_ydata().tolist() == [0.5]
    assert axes.get_ylim()[1] < 1.0


# --- cost


def test_pareto_front_by_hand(tmp_path):
    content = scored(0.3, 0.2, 0.5, 0.4, 0.5)
    found = read(tmp_path, content)
    costs = {"0000": 1.0, "0001": 2.0, "0002": 3.0, "0003": 2.5, "0004": 3.0}
    assert [each.id for each in pareto_front(found, costs)] == ["0000", "0003", "0002"]


def test_a_continued_trial_costs_what_its_rungs_did(tmp_path):
    time, epochs = draw_cost(read(tmp_path, hyperband_search(9))).axes
    assert max(labels(epochs)["trial"].get_xdata()) == 27
    assert max(labels(time)["trial"].get_xdata()) == pytest.approx(27 * 20 / 60)
    assert time.get_xlabel() == "training time, minutes"


# --- parallel coordinates


def lines(axes):
    """[P, 2] of every coloured line, the best trial last."""
    return [path.vertices for path in axes.collections[1].get_paths()]


def test_lines_cross_the_axes_at_their_values(tmp_path):
    content = search([
        trial(0, values(rate=1e-2, loss="dice", batch=4), 0.2),
        trial(1, values(rate=1e-4, loss="focal", batch=16) | {"loss.gamma": 4.0}, 0.6),
    ])  # fmt: skip
    (axes,) = draw_parallel(read(tmp_path, content)).axes
    worse, better = lines(axes)

    def heights(line):
        return [line[line[:, 0] == place][0, 1] for place in range(5)]

    assert heights(worse) == pytest.approx([1.0, 1 / 6, OFF, 0.0, 0.0])
    assert heights(better) == pytest.approx([0.0, 5 / 6, 1.0, 1.0, 1.0])
    texts = [text.get_text() for text in axes.texts]
    assert {"dice", "bce_dice", "focal", "inactive", "0.001", "loss.\ngamma"} <= set(texts)


def test_the_score_axis_has_the_better_end_on_top(tmp_path):
    content = scored(0.2, 0.6, direction="min", objective="val_loss")
    (axes,) = draw_parallel(read(tmp_path, content)).axes
    assert [line[-1, 1] for line in lines(axes)] == [0.0, 1.0]


# --- tables and warnings


def test_warnings(tmp_path):
    content = search(
        [trial(0, values(rate=1e-2), 0.8), trial(1, values(), None), trial(2, values(), 0.5)],
        status="running",
    )
    said = "\n".join(warnings(read(tmp_path, content), "too few"))
    assert "The search has not ended" in said
    assert "1 of 3 trials failed (out of memory). That is much" in said
    assert "Few trials: 2 points" in said
    assert f"The best {RATE}, 0.01, lies at the edge of its range" in said
    assert "training.batch_size" not in said


def test_budget_spent(tmp_path):
    content = scored(0.5, 0.6, budget={"trials": 4, "epochs": None, "hours": 2})
    assert spent(read(tmp_path, content)) == [
        "2 of 4 trials",
        "10 trained epochs",
        "0.06 of 2 hours of training",
    ]


def test_the_page_and_the_table(tmp_path, capsys):
    folder = write_search(tmp_path / "search", random_search(16, failing=0.2, seed=4))
    out = tmp_path / "out"
    assert main([str(folder), "--out", str(out), "--format", "svg"]) == 0
    page = (out / "search.md").read_text()
    for expected in ("## Best: ", "![progress](progress.svg)", "![parallel](parallel.svg)",
                     "![importance](importance.svg)", "![cost](cost.svg)",
                     "loss.name is focal", "failed: out of memory"):  # fmt: skip
        assert expected in page
    found = read_search(folder)
    table = pd.read_csv(out / "search.csv", dtype={"trial": str}).set_index("trial")
    assert len(table) == 16
    for each in found.finished:
        assert table.loc[each.id, RATE] == pytest.approx(each.values[RATE])
        assert table.loc[each.id, "score"] == pytest.approx(each.score)
    assert table["loss.gamma"].isna().sum() == sum(
        "loss.gamma" not in t.values for t in found.trials
    )
    assert capsys.readouterr().out.splitlines()[-1].startswith("history of 16 trials: ")


LONG = {
    f"model.a_rather_long_section.with_a_setting_of_a_long_name_{n}": entry
    for n, entry in enumerate(
        ({"choice": ["a_rather_long_category_name_of_a_backbone", False, None]},
         {"float": [0.0, 1e-5]}, {"int": [100, 50000]}, {"log_uniform": [0.5, 2.0]})
    )
}  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        random_search(1),
        random_search(300, failing=0.1),
        random_search(12, failing=1.0),
        random_search(15, lambda v: 0.5, space=LONG, name="a_rather_long_name_of_a_search" * 4),
        random_search(11, lambda v: 0.5, noise=0.0),
    ],
    ids=["one", "many", "all failed", "long names", "equal scores"],
)
def test_nothing_is_clipped(tmp_path, content):
    folder = write_search(tmp_path / "search", content)
    assert main([str(folder), "--out", str(tmp_path)]) == 0
    pictures = list(tmp_path.glob("*.png"))
    assert {"progress.png", "parallel.png"} <= {picture.name for picture in pictures}
    for picture in pictures:
        grey = np.asarray(Image.open(picture).convert("L"))
        for places, size in zip((grey < 250).nonzero(), grey.shape, strict=True):
            assert places.min() >= 3, picture.name
            assert places.max() < size - 3, picture.name


def test_refusals(tmp_path, capsys):
    running = random_search(1)
    running["trials"][0] |= {"status": "running", "score": None}
    running["best"] = None
    for content, expected in (
        (running, "no trial has ended yet"),
        (random_search(1) | {"schema_version": 2}, "schema_version 2"),
    ):
        assert main([str(write_search(tmp_path, content)), "--out", str(tmp_path / "out")]) == 2
        assert expected in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
