import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelexp.data.dataset import DataError
from steelexp.data.splits.folds import fold_part, kfold, out_of_fold_rows
from steelexp.data.splits.split import Split, leak, split_csv
from tests.data.splits.test_kinds import clean, random_labels
from tests.fakes import labelled


class TestKfold:
    def test_every_image_is_in_the_test_part_once_and_in_validation_once(self):
        dataset, groups = random_labels()
        splits = [kfold(dataset, groups, folds=5, fold=k) for k in range(5)]
        for part in ("val", "test"):
            rows = np.concatenate([getattr(split, part) for split in splits])
            assert sorted(rows.tolist()) == list(range(400))
        for split in splits:
            assert sorted(np.concatenate(split).tolist()) == list(range(400))
            assert leak(split, groups).groups == 0
            assert len(split.test) == pytest.approx(80, abs=3)
        assert splits[0].val.tolist() == splits[1].test.tolist()
        assert splits[4].val.tolist() == splits[0].test.tolist()

    def test_a_fold_that_is_not_there_is_refused(self):
        with pytest.raises(DataError, match=r"split\.fold: 3 of 3 folds; they are numbered from 0"):
            kfold(clean(9), np.arange(9), folds=3, fold=3)

    def test_too_few_groups_are_refused(self):
        with pytest.raises(DataError, match="4 groups of near-duplicates are too few for 5 parts"):
            kfold(clean(8), np.repeat(np.arange(4), 2))

    def test_stays_what_it_was_before_the_outer_test_part(self):
        dataset, groups = random_labels()
        text = split_csv(dataset, kfold(dataset, groups, folds=4, fold=1, seed=7))
        assert hashlib.sha256(text.encode()).hexdigest()[:16] == "40b86cb21b40439d"


class TestOuterTestPart:
    def test_is_the_same_in_every_fold_and_the_other_images_validate_once(self):
        dataset, groups = random_labels()
        splits = [kfold(dataset, groups, folds=4, fold=k, test=0.15) for k in range(4)]
        outer = splits[0].test
        assert len(outer) == pytest.approx(60, abs=3)
        assert all(split.test.tolist() == outer.tolist() for split in splits)
        val = np.concatenate([split.val for split in splits])
        assert sorted([*val, *outer]) == list(range(400))
        for split in splits:
            assert sorted(np.concatenate(split).tolist()) == list(range(400))
            assert leak(split, groups).groups == 0
            assert len(split.val) == pytest.approx(85, abs=3)

    def test_does_not_depend_on_the_number_of_folds(self):
        dataset, groups = random_labels()
        outer = [kfold(dataset, groups, folds=k, test=0.2).test.tolist() for k in (3, 5)]
        assert outer[0] == outer[1]

    def test_makes_the_fold_the_validation_part(self):
        assert fold_part({"test": 0.15}) == "val"
        assert fold_part({"test": 0.0}) == "test"
        assert fold_part({}) == "test"  # a run of a version without it


@st.composite
def structures(draw):
    """Groups of any sizes, labels of two classes, and a seed."""
    sizes = draw(st.lists(st.integers(1, 6), min_size=20, max_size=40))
    groups = np.repeat(np.arange(len(sizes)), sizes)
    groups = np.array(draw(st.permutations(groups.tolist())))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return labelled((random.random((len(groups), 2)) < (0.5, 0.2)).astype(int)), groups


class TestOutOfFold:
    @settings(max_examples=50)
    @given(
        structure=structures(),
        folds=st.integers(3, 6),
        test=st.sampled_from([0.0, 0.15, 0.3]),
        seed=st.integers(0, 2**32 - 1),
    )
    def test_no_image_is_scored_by_a_fold_that_trained_on_it_or_a_copy(
        self, structure, folds, test, seed
    ):
        dataset, groups = structure
        splits = [
            kfold(dataset, groups, folds=folds, fold=k, test=test, seed=seed) for k in range(folds)
        ]
        rows = out_of_fold_rows(splits, fold_part({"test": test}), groups)
        outer = splits[0].test if test else np.empty(0, int)
        assert sorted([*np.concatenate(rows), *outer]) == list(range(len(dataset)))
        for split, scored in zip(splits, rows, strict=True):
            assert not {*groups[scored]} & {*groups[split.train]}
            assert not {*groups[outer]} & {*groups[split.train], *groups[scored]}

    def test_a_copy_in_training_is_refused(self):
        groups = np.array([0, 0, 1, 2, 3, 4])
        good = Split(np.array([2, 3]), np.array([4]), np.array([0, 1]))
        other = Split(np.array([0, 1, 5]), np.array([4]), np.array([2, 3]))
        assert [rows.tolist() for rows in out_of_fold_rows([good, other], "test", groups)] == [
            [0, 1],
            [2, 3],
        ]
        leaking = Split(np.array([1, 3]), np.array([4]), np.array([0]))
        with pytest.raises(DataError, match="fold 1: 1 of its 1 images, or near-duplicates"):
            out_of_fold_rows([other, leaking], "test", groups)

    def test_a_copy_in_the_outer_test_part_is_refused(self):
        groups = np.array([0, 0, 1, 2])
        split = Split(np.array([2, 3]), np.array([0]), np.array([1]))
        with pytest.raises(DataError, match="the outer test part"):
            out_of_fold_rows([split], "val", groups)

    def test_an_image_in_two_folds_is_refused(self):
        split = Split(np.array([2]), np.array([0]), np.array([1]))
        with pytest.raises(DataError, match="counted twice"):
            out_of_fold_rows([split, split], "test", np.arange(3))
