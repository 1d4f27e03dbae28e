"""Which runs may be compared, and what is said of those that may not."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml

from steelexp.command_line import command_line
from steelexp.comparison.evaluated_runs import read_evaluated
from steelexp.errors import UserError
from steelexp.records.document import write_document
from tests.finished_runs import change_record, record_values, reseal, unfinished
from tests.simulated_runs import Study, write_study

SMALL = Study({"b4_dice": 0.0, "b4_focal": 0.0}, seeds=2, groups=20)


@pytest.fixture
def runs(tmp_path):
    """A study of two strategies and two seeds."""
    write_study(tmp_path, SMALL)
    return tmp_path


def change_images(folder, change):
    table = pd.read_parquet(folder / "image_scores.parquet")
    change(table).to_parquet(folder / "image_scores.parquet", index=False)
    reseal(folder)


def change_spec(folder, change):
    file = folder / "spec.yaml"
    spec = yaml.safe_load(file.read_text())
    change(spec)
    file.write_text(yaml.safe_dump(spec))
    reseal(folder)


def refused(runs, part="test"):
    with pytest.raises(UserError) as caught:
        read_evaluated([runs], part)
    return str(caught.value)


# --- what is read


def test_runs_are_read_by_strategy_and_seed(runs):
    evaluated = read_evaluated([runs / "b4_focal", runs, runs / "b4_focal" / "1"], "test")
    assert {
        name: [run.record.seed for run in found] for name, found in evaluated.strategies.items()
    } == {
        "b4_focal": [0, 1],
        "b4_dice": [0, 1],
    }
    table = pd.read_parquet(runs / "b4_dice" / "1" / "image_scores.parquet")
    table = table[table["part"] == "test"]
    run, images = evaluated.strategies["b4_dice"][1], evaluated.images
    assert images.classes == ("1", "2", "3", "4")
    assert images.names == tuple(table["image"].unique())
    for name in ("tp", "fp", "fn"):
        assert getattr(run.counts, name).ravel().tolist() == table[name].tolist()
    assert run.dice.ravel().tolist() == table["dice"].tolist()
    assert images.labelled.ravel().tolist() == (table["tp"] + table["fn"]).tolist()
    assert np.repeat(images.groups, 4).tolist() == table["group"].tolist()  # drawn from 0 on
    assert run.metric("dice_kaggle") == run.record.metrics["test_dice_kaggle"]


def test_val_images_when_asked_for(runs):
    evaluated = read_evaluated([runs], "val")
    assert len(evaluated.images.names) == 12
    assert evaluated.images.groups.min() == 0
    run = evaluated.strategies["b4_dice"][0]
    assert run.metric("dice_positive") == run.record.metrics["val_dice_positive"]


def test_unfinished_runs_are_left_out_and_named(runs):
    unfinished(runs / "b4_dice" / "2", name="b4_dice", seed=2)
    evaluated = read_evaluated([runs], "test")
    assert len(evaluated.strategies["b4_dice"]) == 2
    (line,) = evaluated.left_out
    assert line == f"{runs / 'b4_dice' / '2'}: unfinished, 0 epochs"


def test_strategies_of_unlike_numbers_of_seeds(runs):
    shutil.rmtree(runs / "b4_focal" / "1")
    evaluated = read_evaluated([runs], "test")
    assert [len(found) for found in evaluated.strategies.values()] == [2, 1]


def test_settings_without_an_effect_may_differ_within_a_strategy(runs):
    def elsewhere(spec):
        spec["question"] = "Other words"
        spec["data"]["root"] = "elsewhere"
        spec["model"]["weights"] = "none"
        spec["training"]["overlays"] = 0

    change_spec(runs / "b4_dice" / "1", elsewhere)
    assert len(read_evaluated([runs], "test").strategies["b4_dice"]) == 2


# --- what is refused


def test_places_without_runs(tmp_path):
    assert "no such folder" in refused(tmp_path / "nowhere")
    assert "no finished run at or beneath" in refused(tmp_path)
    unfinished(tmp_path / "run", name="b4_dice", seed=0)
    assert "no finished run at or beneath" in refused(tmp_path)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"data": "f" * 64}, "other data set (manifest) than"),
        ({"threshold": 0.4}, "other threshold than"),
        ({"definitions": {"dice_positive": "mean"}}, "dice_batch, dice_kaggle,"),
    ],
)
def test_other_data_thresholds_and_definitions(runs, fields, expected):
    change_record(runs / "b4_focal" / "1", **fields)
    (line,) = refused(runs).splitlines()
    assert line.startswith(str(runs / "b4_focal" / "1"))
    assert expected in line
    assert line.endswith("leave it out, or run it again like the others")


def test_another_split(runs):
    split = record_values(runs / "b4_focal" / "0")["split"]
    split["parts"]["digest"] = "fedcba9876543210"
    change_record(runs / "b4_focal" / "0", split=split)
    (line,) = refused(runs).splitlines()
    assert "other images (split) than" in line
    assert "fedcba987654, not 0123456789ab" in line


def test_versions_of_data_and_split_are_named(runs):
    for folder in runs.glob("*/*"):
        split = record_values(folder)["split"] | {"kind": "file", "version": 1}
        change_record(folder, split=split)
    split["version"] = 2
    split["without_row"] = 3
    split["parts"] |= {"digest": "fedcba9876543210", "train": 140, "unused": 2}
    change_record(runs / "b4_focal" / "1", split=split, data="f" * 64)
    lines = refused(runs).splitlines()
    assert len(lines) == 2
    images = 100 + split["parts"]["val"] + split["parts"]["test"]
    assert (
        f"({images + 42} images, split version 2 and 3 images without a row; not {images} images, "
        "split version 1)"
    ) in lines[0]
    assert "split version" not in lines[1]


def test_all_reasons_at_once(runs):
    change_record(runs / "b4_focal" / "0", threshold=0.4)
    change_record(runs / "b4_focal" / "1", threshold=0.3, data="other")
    assert len(refused(runs).splitlines()) == 3


def test_no_test_images_names_the_way_out(runs):
    for folder in runs.glob("*/*"):
        split = record_values(folder)["split"]
        split["parts"]["test"] = 0
        change_record(folder, split=split)
        change_images(folder, lambda table: table[table["part"] == "val"])
    lines = refused(runs).splitlines()
    assert len(lines) == 4
    assert "no test images (split grouped); --part val compares" in lines[0]
    assert len(read_evaluated([runs], "val").images.names) == 12


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda t: t.assign(image=t["image"].str.replace("test_0003", "x")), "images or classes"),
        (lambda t: t.assign(**{"class": t["class"].str.replace("4", "5")}), "images or classes"),
        (lambda t: t.assign(fn=t["fn"] + 1), "labelled pixels"),
        (lambda t: t.assign(group=t["group"].where(t["image"] != "test_0001.jpg", 99)), "groups"),
    ],
)
def test_images_that_are_not_those_of_the_others(runs, change, expected):
    change_images(runs / "b4_focal" / "1", change)
    (line,) = refused(runs).splitlines()
    assert line.startswith(f"{runs / 'b4_focal' / '1'}: other {expected}")


def test_tables_that_are_not_of_images(runs):
    path = runs / "b4_dice" / "0" / "image_scores.parquet"
    change_images(path.parent, lambda table: table.drop(columns="group"))
    assert "not a table of images and classes" in refused(runs)
    path.write_bytes(b"torn")
    reseal(path.parent)
    line = refused(runs)
    assert line.startswith(f"{path}: not a table")
    assert "evaluate the run again" in line
    path.unlink()
    reseal(path.parent)
    assert f"{path}: not a table" in refused(runs)


@pytest.mark.parametrize("change", [lambda file: file.write_bytes(b"torn"), lambda f: f.unlink()])
def test_tables_that_are_not_what_the_run_wrote(runs, change):
    path = runs / "b4_dice" / "0" / "image_scores.parquet"
    change(path)
    line = refused(runs)
    assert line.startswith(f"{path}: ")
    assert line.endswith(f"; evaluate the run again: {command_line('evaluate', path.parent)}")


def test_a_table_shorter_than_its_record(runs):
    change_images(runs / "b4_dice" / "0", lambda table: table.iloc[:-4])
    assert "the record has" in refused(runs)
    change_images(runs / "b4_dice" / "0", lambda table: table[table["part"] == "val"])
    assert "evaluate the run again" in refused(runs)


def test_a_spec_that_is_none(runs):
    file = runs / "b4_dice" / "0" / "spec.yaml"
    file.write_text("- 1\n")
    assert refused(runs).startswith(f"{file}: damaged: it is not what the run wrote; ")
    reseal(file.parent)
    assert "not a spec" in refused(runs)


def test_one_name_for_two_strategies(runs):
    def other(spec):
        spec["loss"] = {"name": "focal"}

    change_spec(runs / "b4_dice" / "1", other)
    (line,) = refused(runs).splitlines()
    assert "named b4_dice as" in line
    assert re.search(r"with another loss\..*loss\.name, .*; give one of them a name", line)


def test_one_seed_twice(runs):
    shutil.copytree(runs / "b4_dice" / "1", runs / "copy")
    (line,) = refused(runs).splitlines()
    assert "seed 1 of b4_dice is there already" in line


@pytest.mark.parametrize("digest", ["00000001", "another"])
def test_a_copy_under_another_seed(runs, digest):
    shutil.copytree(runs / "b4_dice" / "1", runs / "copy")
    change_record(runs / "copy", seed=7, digest=digest)
    (line,) = refused(runs).splitlines()
    reason = "it predicts the same pixels as" if digest == "another" else "digest 00000001 is there"
    assert line.startswith(f"{runs / 'copy'}: {reason}")
    assert line.endswith("a run counts once: leave one out")


def test_two_networks_that_predict_nothing_are_no_copies(runs):
    def silence(table):
        return table.assign(tp=0, fp=0, fn=table["tp"] + table["fn"])

    for seed in "01":
        change_images(runs / "b4_dice" / seed, silence)
    assert len(read_evaluated([runs], "test").strategies["b4_dice"]) == 2


def test_a_record_of_another_version(runs):
    file = runs / "b4_dice" / "0" / "record.json"
    write_document(file, record_values(file.parent) | {"schema_version": 99})
    with pytest.raises(UserError, match=r"schema_version 99, and this version of .* reads 4"):
        read_evaluated([runs], "test")
