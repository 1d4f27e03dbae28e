from io import StringIO

import pytest
from rich.console import Console

from steelexp.metrics import ON_IMAGES
from steelexp.records.postprocessing import ClassRules, Postprocessing
from steelexp.records.store import Epoch, RunFolder
from steelexp.report.tables import (
    leaderboard,
    leak_lines,
    metrics_table,
    postprocessing_lines,
    run_lines,
    standings,
)
from steelexp.spec import read_resolved
from tests.finished_runs import METRICS, PARTS, finished, record, unfinished


def text(table, width=200):
    console = Console(file=StringIO(), markup=False, width=width)
    console.print(table)
    return console.file.getvalue()


def rows(table):
    """Return the cells of every row but the head's."""
    lines = [line for line in text(table).splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines]


def by_column(table):
    """Return the cells of every row by the column's title, without the empty ones."""
    titles = [column.header for column in table.columns]
    cells = [dict(zip(titles, row, strict=True)) for row in rows(table)]
    return [{title: text for title, text in row.items() if text != "-"} for row in cells]


class TestMetricsTable:
    def test_one_row_a_class_and_one_for_all(self):
        table = metrics_table(METRICS, ["1", "2"], title="b4_dice 3f9c1a7e")
        assert text(table).splitlines()[0].rstrip() == "b4_dice 3f9c1a7e, val images"
        all_classes = {"dice_positive": "0.5000", "dice_kaggle": "0.8750", "if all empty": "0.8125"}
        assert by_column(table) == [
            {"class": "1", "dice_positive": "0.7500"},
            {"class": "2", "dice_positive": "0.2500"},
            {"class": "all", **all_classes},
        ]

    def test_heads_are_the_titles_of_the_metrics(self):
        table = metrics_table(METRICS, ["1"], title="")
        titles = [metric.title for metric in ON_IMAGES]
        assert [column.header for column in table.columns] == ["class", *titles]

    def test_a_class_may_have_any_name(self):
        table = metrics_table({"val_iou_pooled/[red]pit[/red]": 1.0}, ["[red]pit[/red]"], title="")
        assert by_column(table)[0] == {"class": "[red]pit[/red]", "iou_pooled": "1.0000"}

    def test_is_folded_to_a_terminal_and_nothing_is_cut(self):
        metrics = METRICS | {"val_iou_pooled/a_class_with_a_long_name": 0.0625}
        table = metrics_table(metrics, ["a_class_with_a_long_name"], title="")
        drawn = text(table, width=80)
        assert max(map(len, drawn.splitlines())) <= 80
        assert "0.0625" in drawn
        assert "…" not in drawn

    def test_the_postprocessing_has_a_row_of_its_own(self):
        metrics = {"test_dice_kaggle": 0.5, "test_post_dice_kaggle": 0.75}
        metrics |= {"test_post_dice_kaggle_all_empty": 0.25, "test_dice_kaggle_all_empty": 0.25}
        assert by_column(metrics_table(metrics, ["1"], title=""))[1:] == [
            {"class": "all", "dice_kaggle": "0.5000", "if all empty": "0.2500"},
            {"class": "all, post-processed", "dice_kaggle": "0.7500", "if all empty": "0.2500"},
        ]


class TestPostprocessingLines:
    def test_the_rules_and_their_effect(self):
        rules = {
            "1": ClassRules(threshold=0.3, min_component=64, min_area=128, min_peak_score=0.9),
            "2": ClassRules(threshold=0.5),
            "3": ClassRules(threshold=1.0, disabled=True),
        }
        metrics = {"test_dice_kaggle": 0.5, "test_post_dice_kaggle": 0.75}
        metrics |= {"test_post_dice_kaggle_all_empty": 0.25}
        tuned, effect = postprocessing_lines(
            Postprocessing(metric="dice_kaggle", classes=rules), metrics
        )
        assert tuned == (
            "Post-processing, tuned on the validation images for dice_kaggle: "
            "1: score threshold 0.3, minimum component size 64 pixels, minimum area per image "
            "128 pixels, minimum peak score 0.9; 2: score threshold 0.5; 3: disabled."
        )
        assert effect == (
            "With it on the test images: dice_kaggle 0.7500 (without 0.5000); predicting nothing "
            "has dice_kaggle 0.2500."
        )

    def test_no_lines_without_a_postprocessing(self):
        assert postprocessing_lines(None, {}) == []


class TestRunLines:
    @pytest.fixture
    def folder(self, tmp_path):
        return finished(tmp_path / "b4_dice" / "3f9c1a7e")

    def test_say_what_was_measured_on_what(self, folder):
        spec = read_resolved(folder.path / "spec.yaml")
        assert run_lines(record(), spec, folder) == [
            (
                "6 val images (random split, seed 42); best of 4 epochs by val_dice_batch: "
                "epoch 3; threshold 0.5."
            ),
            (
                "On the tiles of these images, in batches of 16: val_dice_batch 0.2500, "
                "val_loss 0.1250."
            ),
            (
                "Published: val_dice_batch 0.7172 (published); this run: 0.2500. Beware: the "
                "source gives no definition, so it may be of another metric."
            ),
            f"Run folder: {folder.path}",
        ]

    def test_without_a_baseline(self, tmp_path):
        folder = unfinished(tmp_path / "run", published=None)
        lines = run_lines(record(), read_resolved(folder.path / "spec.yaml"), folder)
        assert not any("Published" in line for line in lines)


class TestLeaderboard:
    def test_the_best_first_and_unfinished_ones_last(self, tmp_path):
        begun = unfinished(tmp_path / "a" / "1")
        begun.append(Epoch(1, step=10, seconds=1.0, metrics={}))
        low = finished(tmp_path / "b" / "2", metrics=METRICS | {"val_dice_positive": 0.25})
        high = finished(tmp_path / "c" / "3", seed=7, seconds=150.0)
        none = finished(tmp_path / "d" / "4", metrics={})
        evaluated = ["finished", "3 of 4", "6 val images", "none"]
        assert rows(leaderboard(standings([begun, low, none, high]))) == [
            ["c/3", "7", *evaluated, "0.5000", "0.8750", "0.8125", "2.5"],
            ["b/2", "42", *evaluated, "0.2500", "0.8750", "0.8125", "1.5"],
            ["d/4", "42", *evaluated, "-", "-", "-", "1.5"],
            ["a/1", "", "unfinished, 1 epochs", *[""] * 7],
        ]

    @pytest.mark.parametrize(
        ("name", "content"), [("record.json", "{}"), ("epochs.jsonl", "5\n"), ("record.json", "")]
    )
    def test_a_damaged_run_does_not_hide_the_others(self, tmp_path, name, content):
        damaged = unfinished(tmp_path / "a" / "1")
        damaged.write(name, content)
        found = rows(leaderboard(standings([damaged, finished(tmp_path / "b" / "2")])))
        assert [row[0] for row in found] == ["b/2", "a/1"]
        assert found[1][2] == "cannot be read"

    def test_of_nothing_is_empty(self):
        assert rows(leaderboard(standings([]))) == []

    def test_names_the_runs_by_spec_and_digest(self, tmp_path):
        folder = RunFolder(tmp_path / "b4_dice" / "3f9c1a7e")
        unfinished(folder.path)
        assert rows(leaderboard(standings([folder])))[0][0] == "b4_dice/3f9c1a7e"


def test_trials_are_listed_by_what_chose_them(tmp_path):
    """Never by their test images, which would then be no test."""
    tested = METRICS | {f"test{name[3:]}": 1.0 for name in METRICS}
    split = {"kind": "grouped", "parts": PARTS | {"test": 8}}
    trial = finished(
        tmp_path / "b4" / "search" / "trials" / "0004" / "1", metrics=tested, split=split
    )
    better = finished(tmp_path / "c" / "2", metrics=METRICS | {"val_dice_positive": 0.75})
    found = rows(leaderboard(standings([trial, better])))
    assert [row[0] for row in found] == ["c/2", "b4 trial 0004/1"]
    assert found[1][4:7] == ["6 val images", "none", "0.5000"]


class TestTestStrips:
    metrics = METRICS | {f"test{name[3:]}": value / 2 for name, value in METRICS.items()}
    parts = PARTS | {"test": 8}

    def test_are_what_is_reported(self, tmp_path):
        table = metrics_table(self.metrics, ["1"], title="b4")
        assert text(table).splitlines()[0].rstrip() == "b4, test images"
        assert [row[1] for row in rows(table)] == ["0.3750", "0.2500"]
        split = {"kind": "grouped", "parts": self.parts}
        folder = finished(tmp_path / "a" / "1", metrics=self.metrics, split=split)
        assert rows(leaderboard(standings([folder])))[0][4:9] == [
            "8 test images", "none", "0.2500", "0.4375", "0.4062",
        ]  # fmt: skip
        spec = read_resolved(folder.path / "spec.yaml")
        lines = run_lines(folder.record, spec, folder)
        assert lines[0].startswith("8 test images (grouped split, seed 42); best of 4 epochs")
        assert lines[1].endswith("test_dice_batch 0.1250, test_loss 0.0625.")
        assert lines[2] == (
            "On the 6 val images, which picked the epoch: val_dice_positive 0.5000, "
            "val_dice_kaggle 0.8750."
        )
        assert lines[3].startswith("Published: val_dice_batch 0.7172 (published); this run: 0.2500")


class TestLeak:
    def test_is_said_in_groups_and_images(self, tmp_path):
        parts = PARTS | {"leak": {"groups": 4, "val": 5, "test": 0}}
        (line,) = leak_lines(parts)
        assert line.startswith(
            "Leak: 4 of 16 groups of near-duplicates cross the split, 5 of 6 val images have a "
            "copy that trains"
        )
        folder = finished(tmp_path / "a" / "1", split={"kind": "random", "parts": parts})
        assert rows(leaderboard(standings([folder])))[0][5] == "4 groups"
        assert line in run_lines(folder.record, read_resolved(folder.path / "spec.yaml"), folder)

    def test_is_not_mentioned_where_there_is_none(self):
        assert leak_lines(PARTS) == []
