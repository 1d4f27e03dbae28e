from dataclasses import replace

import numpy as np
import pytest

from steelexp.data.dataset import DataError
from steelexp.data.splits.extension import compare_with_file, write_new_rows
from steelexp.data.splits.growth import extend_split
from steelexp.data.splits.kinds import file, grouped
from steelexp.data.splits.split import leak, split_csv
from tests.fakes import labelled

SHARES = {"val": 0.15, "test": 0.15, "seed": 42}


def name(row):
    return f"{row:05}.jpg"


def test_a_group_joins_its_part_and_a_crossing_group_is_unused(capsys):
    parts = {name(0): "val", name(1): "train", name(2): "test", name(3): "unused"}
    groups = np.array([0, 1, 1, 3, 0, 1, 3])
    new = extend_split(labelled(np.zeros((7, 1), int)), groups, parts, **SHARES)
    assert new == {name(4): "val", name(5): "unused", name(6): "unused"}
    assert capsys.readouterr().err == (
        "split: 1 new images are unused: their near-duplicates lie in different parts: 00005.jpg\n"
        "split: 1 new images are unused: their near-duplicates are unused as well: 00006.jpg\n"
    )


def test_new_groups_fill_the_part_that_lacks_most():
    parts = {name(row): "train" for row in range(7)}
    new = extend_split(
        labelled(np.zeros((10, 1), int)), np.arange(10), parts, val=0.2, test=0.1, seed=0
    )
    assert sorted(new.values()) == ["test", "val", "val"]


def test_shares_are_those_of_version_1_unless_they_are_stated(tmp_path):
    path = tmp_path / "split.csv"
    rows = [f"{name(row)},{('train', 'val', 'unused')[row % 3]}" for row in range(60)]
    later = [f"{name(row)},train,2,2026-11-28" for row in range(60, 70)]
    path.write_text("\n".join(["image,part,version,added", *rows, *later, ""]))
    dataset = labelled(np.zeros((100, 1), int))

    def sizes(**settings):
        return list(
            map(len, file(dataset, np.arange(100), path=str(path), extend=True, **settings))
        )

    assert sizes() == [40, 40, 0]  # of 80 used images, of which 20 of version 1 are in each part
    assert sizes(val=0.25, test=0.25) == [40, 20, 20]
    with pytest.raises(DataError, match=r"val 0\.5 and test 0\.5 leave nothing to train on"):
        sizes(test=0.5)


def test_the_numbers_of_groups_do_not_matter():
    dataset, groups = growing(400)
    parts = {name(row): "train" for row in range(300)}
    assert extend_split(dataset, groups, parts, **SHARES) == extend_split(
        dataset, 1000 - groups, parts, **SHARES
    )


def test_the_order_of_the_images_does_not_matter():
    dataset, groups = growing(400)
    parts = {name(row): "train" for row in range(200)}
    order = np.random.default_rng(1).permutation(400)
    other = replace(
        dataset,
        names=tuple(dataset.names[row] for row in order),
        pixels=dataset.pixels[order],
    )
    assert extend_split(dataset, groups, parts, **SHARES) == extend_split(
        other, groups[order], parts, **SHARES
    )


def growing(count):
    rng = np.random.default_rng(7)
    pixels = rng.random((800, 3)) < (0.5, 0.3, 0.15)
    groups = rng.integers(0, 500, 800)
    return labelled(pixels[:count].astype(int)), groups[:count]


def test_growth_moves_no_image_crosses_no_group_and_keeps_class_shares(tmp_path):
    path = tmp_path / "split.csv"
    dataset, groups = growing(360)
    path.write_text(split_csv(dataset, grouped(dataset, groups)))
    for version, count in ((2, 400), (3, 800)):
        before = path.read_bytes()
        dataset, groups = growing(count)
        split = file(dataset, groups, path=str(path), extend=True)
        extended = write_new_rows(compare_with_file({"path": path}, dataset, split))
        assert extended is not None
        assert extended.version == version
        old_rows = before.split(b"\n", 1)[1]
        assert path.read_bytes().split(b"\n", 1)[1].startswith(old_rows)
        again = file(dataset, groups, path=str(path))  # every image has a row
        assert all(map(np.array_equal, split, again))
        assert sum(map(len, split)) == count
        assert leak(split, groups).groups == 0
        totals = dataset.pixels.sum(axis=0)
        largest = np.bincount(groups).max()
        for rows, fresh in zip(split, grouped(dataset, groups), strict=True):
            moved = dataset.pixels[rows].sum(axis=0) - dataset.pixels[fresh].sum(axis=0)
            assert np.all(np.abs(moved) <= np.maximum(0.02 * totals, largest))


def test_settings_of_growth_need_extend(tmp_path):
    (tmp_path / "split.csv").write_text("image,part\n00000.jpg,train\n00001.jpg,val\n")
    with pytest.raises(DataError, match="need extend: true"):
        file(
            labelled(np.zeros((2, 1), int)), np.arange(2), path=str(tmp_path / "split.csv"), val=0.3
        )
