from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelexp.data.dataset import DataError
from steelexp.data.splits.kinds import SPLITS, file, grouped, overfit, random
from steelexp.data.splits.split import Split, leak, split_csv
from steelexp.data.splits.stratification import combinations
from tests.fakes import labelled


def clean(count):
    return labelled(np.zeros((count, 1), int))


def apart(dataset):
    """Each image a group of its own."""
    return np.arange(len(dataset))


def random_labels(count=400, seed=0):
    """Images with three classes of falling frequency, in groups of one to four."""
    rng = np.random.default_rng(seed)
    pixels = rng.random((count, 3)) < (0.4, 0.1, 0.03)
    groups = np.repeat(np.arange(count), rng.integers(1, 5, count))[:count]
    return labelled(pixels.astype(int)), groups


class TestRandom:
    @pytest.mark.parametrize(
        ("count", "share", "evaluated"),
        [(100, 0.15, 15), (10, 0.5, 5), (7, 0.15, 1), (3, 0.01, 1), (3, 0.99, 2), (2, 0.15, 1)],
    )
    def test_counts_by_hand(self, count, share, evaluated):
        split = random(clean(count), np.arange(count), val=share)
        assert [len(part) for part in split] == [count - evaluated, evaluated, 0]

    @given(count=st.integers(2, 200), share=st.floats(0.01, 0.99), seed=st.integers(0, 2**32))
    def test_every_image_is_on_one_side(self, count, share, seed):
        train, val, test = random(clean(count), np.arange(count), val=share, seed=seed)
        assert sorted([*train, *val]) == list(range(count))
        assert not len(test)
        for part in (train, val):
            assert np.all(np.diff(part) > 0)
            assert part.dtype == np.int64

    def test_depends_on_the_seed_only(self):
        dataset = clean(100)
        parts = {tuple(random(dataset, apart(dataset), seed=seed).val) for seed in [*range(5), 0]}
        assert len(parts) == 5

    def test_stays_what_it_was(self):
        assert random(clean(20), np.arange(20)).val.tolist() == [9, 14, 15]

    @pytest.mark.parametrize("count", [0, 1])
    def test_too_few_images_are_refused(self, count):
        with pytest.raises(DataError, match="at least 2 images"):
            random(clean(count), np.arange(count))


class TestGrouped:
    def test_shares_by_hand(self):
        dataset = clean(100)
        assert [len(part) for part in grouped(dataset, apart(dataset))] == [70, 15, 15]
        split = grouped(dataset, apart(dataset), val=0.2, test=0.3)
        assert [len(part) for part in split] == [50, 20, 30]

    @given(
        groups=st.lists(st.integers(0, 40), min_size=60, max_size=120),
        seed=st.integers(0, 2**32 - 1),
    )
    def test_no_group_is_on_two_sides_and_every_image_on_one(self, groups, seed):
        groups = np.array([*range(41), *groups])
        split = grouped(clean(len(groups)), groups, seed=seed)
        assert leak(split, groups).groups == 0
        assert sorted(np.concatenate(split).tolist()) == list(range(len(groups)))

    def test_every_class_has_its_share_in_every_part(self):
        dataset, groups = random_labels()
        totals = dataset.pixels.sum(axis=0)
        for rows, share in zip(grouped(dataset, groups), (0.7, 0.15, 0.15), strict=True):
            assert len(rows) == pytest.approx(share * 400, abs=4)
            assert dataset.pixels[rows].sum(axis=0) == pytest.approx(share * totals, abs=3)

    def test_a_large_group_stays_whole(self):
        groups = np.r_[np.zeros(30, int), np.arange(1, 71)]
        split = grouped(clean(100), groups)
        assert set(range(30)) <= set(split.train.tolist())
        assert [len(part) for part in split] == [70, 15, 15]

    def test_depends_on_the_seed_only(self):
        dataset, groups = random_labels()
        splits = {split_csv(dataset, grouped(dataset, groups, seed=seed)) for seed in (0, 1, 2, 0)}
        assert len(splits) == 3

    def test_shares_that_leave_nothing_are_refused(self):
        with pytest.raises(DataError, match=r"val 0\.5 and test 0\.5 leave nothing"):
            grouped(clean(10), np.arange(10), val=0.5, test=0.5)

    def test_too_few_groups_are_refused(self):
        with pytest.raises(DataError, match="2 groups of near-duplicates are too few for 3 parts"):
            grouped(clean(10), np.repeat([0, 1], 5))


class TestCombinations:
    def test_by_hand(self):
        holds = np.array([[0, 0], [1, 0], [1, 0], [1, 0], [0, 1], [0, 1], [1, 1], [0, 0]], bool)
        assert combinations(holds, 1).tolist() == [0, 1, 1, 1, 2, 2, 3, 0]
        # One image holds both classes: it counts as the rarer of them, the second.
        assert combinations(holds, 2).tolist() == [0, 1, 1, 1, 2, 2, 2, 0]
        assert combinations(holds, 3).tolist() == [0, 1, 1, 1, 2, 2, 2, 0]
        # Three images a class are too few for four parts: they are some defect, 1 << 2.
        assert combinations(holds, 4).tolist() == [0, 4, 4, 4, 4, 4, 4, 0]


class TestFile:
    def table(self, folder: Path, *rows: str) -> str:
        path = folder / "split.csv"
        path.write_text("\n".join(["image,part", *rows]) + "\n")
        return str(path)

    def test_reads_what_a_run_writes(self, tmp_path):
        dataset, groups = random_labels()
        wanted = grouped(dataset, groups)
        (tmp_path / "split.csv").write_text(split_csv(dataset, wanted))
        splits = file(dataset, groups, path=str(tmp_path / "split.csv"))
        for part, expected in zip(splits, wanted, strict=True):
            np.testing.assert_array_equal(part, expected)

    def test_what_is_left_out_stays_out(self, tmp_path):
        wanted = Split(np.array([1]), np.array([3]), np.array([0]))
        table = split_csv(clean(4), wanted)
        assert "00002.jpg,unused" in table
        (tmp_path / "split.csv").write_text(table)
        splits = file(clean(4), np.arange(4), path=str(tmp_path / "split.csv"))
        assert [part.tolist() for part in splits] == [[1], [3], [0]]

    def test_a_subset_of_its_images_will_do(self, tmp_path):
        path = self.table(
            tmp_path, "00001.jpg,val", "", "00000.jpg,train", "zz.jpg,test", "00002.jpg,train"
        )
        split = file(clean(3), np.arange(3), path=path)
        assert [part.tolist() for part in split] == [[0, 2], [1], []]

    @pytest.mark.parametrize(
        ("rows", "messages"),
        [
            (
                ["00000.jpg,train", "00002.jpg,val"],
                ["has no row for 00001.jpg; add it, or set split.extend: true"],
            ),
            (
                ["00000.jpg,train", "00000.jpg,val", "x"],
                [
                    "split.csv:3: 00000.jpg: a second row for this image",
                    "split.csv:4: 'x' is not image,part; parts: train, val, test, unused",
                ],
            ),
            (["00000.jpg,validation"], ["split.csv:2: '00000.jpg,validation' is not image,part"]),
            (
                [f"0000{i}.jpg,test" for i in range(3)],
                ["has no image of the data set in train", "in val"],
            ),
        ],
    )
    def test_all_that_is_wrong_is_said(self, tmp_path, rows, messages):
        with pytest.raises(DataError) as refused:
            file(clean(3), np.arange(3), path=self.table(tmp_path, *rows))
        for message in messages:
            assert message in str(refused.value)

    def test_another_table_is_refused(self, tmp_path):
        (tmp_path / "split.csv").write_text("ImageId,ClassId\n")
        with pytest.raises(DataError, match=r"split\.csv:1: the columns of a split are image,part"):
            file(clean(3), np.arange(3), path=str(tmp_path / "split.csv"))

    def test_an_absent_table_is_refused(self):
        with pytest.raises(DataError, match=r"split\.path: nowhere\.csv: not a readable table"):
            file(clean(3), np.arange(3), path="nowhere.csv")


def test_overfit_trains_and_evaluates_on_every_image():
    split = overfit(clean(3), np.arange(3))
    assert [part.tolist() for part in split] == [[0, 1, 2], [0, 1, 2], []]
    assert leak(split, np.arange(3)) == (3, 3, 0)


def test_every_split_has_a_name():
    assert set(SPLITS) == {"random", "grouped", "kfold", "file", "overfit"}
