"""`run` and its plan extend the file of a split, and say what they did."""

import json

import numpy as np
import pytest

from steelexp.__main__ import main
from steelexp.commands.extended_plan import extended_plan
from steelexp.data.splits.file import append_rows, read_split, read_table
from steelexp.plan import SpecModel, prepare
from steelexp.spec import load
from tests.commands.test_data_doctor import save_masks, spec_of


@pytest.fixture
def case(tmp_path):
    """Spec of 12 images of which 8 have a row, and the file of the split."""
    masks = [np.zeros((32, 48), np.uint8) for _ in range(12)]
    for number, mask in enumerate(masks):
        mask[4:9, 3 * number : 3 * number + 5] = 1
    root = save_masks(tmp_path / "set", masks, "images", "masks")
    table = tmp_path / "split.csv"
    names = sorted(path.name for path in (root / "images").iterdir())
    parts = ["train"] * 4 + ["val"] * 2 + ["test"] * 2
    rows = [f"{name},{part}" for name, part in zip(names, parts, strict=False)]
    table.write_text("\n".join(["image,part", *rows, ""]))
    data = {"source": "mask_folder", "root": str(root), "classes": ["dent"], "cache": "none"}
    settings = {"kind": "file", "path": str(table), "extend": True, "val": 0.25, "test": 0.25}
    return spec_of(tmp_path, data, json.dumps(settings)), table


def plan_of(spec):
    return extended_plan(load(spec, model=SpecModel), spec.parent / "runs")


def test_new_images_are_appended_once(case, capsys):
    spec, table = case
    plan = plan_of(spec)
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"{table}: 4 images (train 2, val 1, test 1) added, now version 2"
    )
    assert plan.split_summary["version"] == 2
    assert "without_row" not in plan.split_summary
    assert len(read_split(table)) == 12
    again = plan_of(spec)
    assert capsys.readouterr().out == ""
    assert again.digest == plan.digest
    assert again.split_summary == plan.split_summary


def test_a_run_of_old_images_alone_keeps_their_version(case):
    spec, table = case
    append_rows(table, {"z.png": "val"})
    assert prepare(load(spec, model=SpecModel), spec.parent).split_summary["version"] == 1
    assert read_table(table).version == 2


def test_a_dry_run_writes_nothing_and_says_what_is_new(case, capsys):
    spec, table = case
    before = table.read_bytes()
    assert main(["run", str(spec), "--dry-run"]) == 0
    line = f"  new images  4 images (train 2, val 1, test 1) have no row in {table} yet"
    assert line in capsys.readouterr().out.splitlines()
    assert table.read_bytes() == before
    assert [path.name for path in table.parent.glob(".*")] == []


def test_a_read_only_file_is_left_and_the_run_goes_on(case, capsys):
    spec, table = case
    table.chmod(0o444)
    before = table.read_bytes()
    plan = plan_of(spec)
    line = capsys.readouterr().out
    assert "not extended by 4 images (train 2, val 1, test 1): it is marked as read-only" in line
    assert f"copy {plan.folder.path / 'split.csv'} over it" in line
    assert table.read_bytes() == before
    assert plan.split_summary["without_row"] == 4


def test_a_part_of_the_images_extends_nothing(case, capsys):
    spec, table = case
    before = table.read_bytes()
    table.write_bytes(before + b"gone.png,val\n")
    plan_of(spec)
    assert "because it has 1 rows for images that this data set lacks (gone.png)" in (
        capsys.readouterr().out
    )
    assert table.read_bytes() == before + b"gone.png,val\n"


def test_images_that_deduplication_leaves_out_have_rows_that_count(case, capsys):
    spec, table = case
    first, *_, last = sorted((table.parent / "set" / "images").iterdir())
    last.write_bytes(first.read_bytes())
    table.write_text(table.read_text().replace(first.name, last.name))  # the old one of the two
    before = table.read_bytes()
    spec.write_text(spec.read_text().replace('"cache"', '"deduplicate": true, "cache"'))
    plan_of(spec)
    assert f"images that this data set lacks ({last.name})" in capsys.readouterr().out
    assert table.read_bytes() == before


def test_images_that_another_run_deals_meanwhile_stay_there(case, monkeypatch):
    spec, table = case
    others = []

    def prepare_slowly(*args):
        plan = prepare(*args)
        if plan.split_file.new and not others:  # another run deals them otherwise
            others.append(dict.fromkeys(plan.split_file.new[:3], "train"))
            append_rows(table, others[0])
        return plan

    monkeypatch.setattr("steelexp.commands.extended_plan.prepare", prepare_slowly)
    plan = plan_of(spec)
    parts = read_split(table)
    assert {name: parts[name] for name in others[0]} == others[0]
    assert plan.split_file.parts == parts
