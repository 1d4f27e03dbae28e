"""Ensembles are evaluated on images that no member has seen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelexp.data.dataset import DataError
from steelexp.data.splits.folds import kfold
from steelexp.data.splits.split import Split
from steelexp.data.splits.unseen import unseen_rows
from tests.data.splits.test_folds import structures


@settings(max_examples=25)
@given(structure=structures(), folds=st.integers(3, 5), seed=st.integers(0, 2**32 - 1))
def test_folds_are_evaluated_on_the_outer_test_part_alone(structure, folds, seed):
    dataset, groups = structure
    outer = [kfold(dataset, groups, folds=folds, fold=k, test=0.2, seed=seed) for k in range(folds)]
    rows = unseen_rows(outer, groups)
    for split in outer:
        assert not {*groups[rows]} & {*groups[split.train], *groups[split.val]}
    assert rows.tolist() == outer[0].test.tolist()
    without = [kfold(dataset, groups, folds=folds, fold=k, seed=seed) for k in range(folds)]
    count = len(dataset)
    with pytest.raises(DataError, match=f"a member trained on {count} of the {count} images"):
        unseen_rows(without, groups)


@given(
    tested=st.lists(st.booleans(), min_size=8, max_size=8),
    others=st.lists(st.lists(st.sampled_from([0, 1, 3]), min_size=8, max_size=8), min_size=2),
    groups=st.lists(st.integers(0, 11), min_size=8, max_size=8),
)
def test_what_any_runs_with_one_test_part_return_was_seen_by_none(tested, others, groups):
    """Parts by number: train, val, test, unused."""
    groups = np.array(groups)
    parts = [np.where(tested, 2, numbers) for numbers in others]
    splits = [Split(*(np.flatnonzero(each == n) for n in range(3))) for each in parts]
    try:
        rows = unseen_rows(splits, groups)
    except DataError:
        return
    for split in splits:
        assert rows.tolist() == split.test.tolist()
        assert not {*groups[rows]} & {*groups[split.train], *groups[split.val]}


def split(train, val, test):
    return Split(*(np.array(rows, np.int64) for rows in (train, val, test)))


def test_images_that_trained_and_those_that_picked_an_epoch_are_counted():
    groups = np.array([0, 0, 1, 2, 3, 4])
    one = split([2], [3], [0, 4])
    with pytest.raises(DataError, match=r"trained on 1 of the 2 images.*and 1 more picked"):
        unseen_rows([one, split([1, 2], [4], [])], groups)  # 1 is a copy of 0
    copy_in_val = split([2], [1], [0])
    with pytest.raises(DataError, match=r"trained on 0 of the 1 images.*and 1 more picked"):
        unseen_rows([copy_in_val, copy_in_val], groups)
    with pytest.raises(DataError, match="have other test images"):
        unseen_rows([one, split([2], [3], [0])], groups)
    with pytest.raises(DataError, match="have no test images"):
        unseen_rows([split([2], [3], []), split([3], [2], [])], groups)
