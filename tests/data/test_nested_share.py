"""Nested subsets of the training images, over random group structures."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from steelexp.data.dataset import DataError
from steelexp.data.nested_share import nested_share
from steelexp.data.splits.split import Split
from tests.fakes import labelled

SHARES = st.floats(0.01, 1.0)


@st.composite
def cases(draw):
    """A data set of up to 60 images, its groups and a split by groups."""
    images = draw(st.integers(8, 60))
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    groups = random.integers(0, draw(st.integers(4, images)), images)
    dataset = labelled(random.random((images, draw(st.integers(1, 4)))) < 0.3)
    part = random.integers(0, 4, images)[groups]
    train = np.flatnonzero(part >= 2)
    assume(len(train))
    return dataset, groups, Split(train, np.flatnonzero(part == 0), np.flatnonzero(part == 1))


def subset(case, share, seed=0):
    """The split with a share, or None where it has no room for each class."""
    dataset, groups, split = case
    try:
        return nested_share(dataset, groups, split, share, seed=seed)
    except DataError:
        return None


@given(cases(), SHARES, SHARES, st.integers(0, 3))
def test_a_smaller_share_is_a_subset(case, one, other, seed):
    smaller, larger = (subset(case, share, seed) for share in sorted((one, other)))
    if smaller is None:
        return
    assert larger is not None
    assert set(smaller.train.tolist()) <= set(larger.train.tolist())


@given(cases(), SHARES, st.integers(0, 3))
def test_whole_groups_of_every_class_train_and_the_other_parts_stay(case, share, seed):
    dataset, groups, split = case
    kept = subset(case, share, seed)
    if kept is None:
        return
    left_out = np.setdiff1d(split.train, kept.train)
    assert not set(groups[kept.train].tolist()) & set(groups[left_out].tolist())
    assert kept.train.tolist() == sorted(kept.train.tolist())
    held = dataset.pixels[split.train].any(axis=0)
    assert dataset.pixels[kept.train].any(axis=0).tolist() == held.tolist()
    assert (kept.val is split.val, kept.test is split.test) == (True, True)


@given(cases(), SHARES)
def test_it_has_the_share_to_within_half_a_group(case, share):
    _, groups, split = case
    kept = subset(case, share)
    if kept is None:
        return
    largest = np.bincount(groups[split.train]).max()
    assert abs(len(kept.train) - share * len(split.train)) <= max(largest / 2, largest - 0.01)


@given(cases(), SHARES)
def test_a_refusal_names_a_share_that_has_room(case, share):
    if subset(case, share) is not None:
        return
    with pytest.raises(DataError) as caught:
        nested_share(*case, share, seed=0)
    (line,) = caught.value.lines
    assert line.startswith(f"data.train_share: {share:g} of {len(case[2].train)} training images")
    least = float(line.rpartition(" ")[2])
    assert least > share
    assert subset(case, least) is not None


def test_classes_are_spread_evenly():
    dataset = labelled([[1, 0]] * 40 + [[0, 1]] * 20 + [[0, 0]] * 40)
    split = Split(np.arange(100), np.empty(0, np.int64), np.empty(0, np.int64))
    for share in (0.2, 0.5, 0.8):
        kept = nested_share(dataset, np.arange(100), split, share, seed=1)
        images = (dataset.pixels[kept.train] > 0).sum(axis=0)
        assert len(kept.train) == round(100 * share)
        assert images == pytest.approx([40 * share, 20 * share], abs=2)


def test_the_seed_draws_another_order():
    dataset = labelled([[1]] * 30)
    split = Split(np.arange(30), np.empty(0, np.int64), np.empty(0, np.int64))
    draws = [
        tuple(nested_share(dataset, np.arange(30), split, 0.5, seed=seed).train.tolist())
        for seed in (0, 1, 0)
    ]
    assert draws[0] == draws[2] != draws[1]


def test_the_whole_share_is_the_split_itself():
    split = Split(np.arange(4), np.empty(0, np.int64), np.empty(0, np.int64))
    assert nested_share(labelled([[1]] * 4), np.arange(4), split, 1.0, seed=5) is split
