"""No image is audited by a run that trained on it or on a near-duplicate of it."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelexp.audit.unseen import Unseen, check_same_data, unseen_images, unseen_rows
from steelexp.data.splits.split import Split
from steelexp.errors import UserError

NONE = np.empty(0, np.int64)


@st.composite
def random_splits(draw):
    """Groups of some images, and a split that may cross them."""
    count = draw(st.integers(1, 30))
    groups = draw(st.lists(st.integers(0, 8), min_size=count, max_size=count))
    parts = draw(st.lists(st.sampled_from("tvsu"), min_size=count, max_size=count))
    seen = draw(st.lists(st.integers(0, count - 1), max_size=4))
    rows = [np.array([i for i, p in enumerate(parts) if p == part], np.int64) for part in "tvs"]
    return np.array(groups), Split(*rows), np.array(seen, np.int64)


@given(random_splits())
def test_no_image_is_audited_by_a_run_that_trained_on_its_group(example):
    groups, split, seen = example
    unseen = unseen_rows(split, groups, seen)
    trained = {int(groups[row]) for row in (*split.train, *seen)}
    evaluated = {*split.val.tolist(), *split.test.tolist()}
    for row, is_unseen in enumerate(unseen.tolist()):
        assert is_unseen == (row in evaluated and int(groups[row]) not in trained)


def plan(split, *, groups=(0, 1, 2, 3), classes=("1",), manifest="a", seen=None, name="run"):
    hashes = tuple(f"h{i}" for i in range(len(groups)))
    dataset = SimpleNamespace(classes=classes, manifest=manifest, image_hashes=hashes)
    return SimpleNamespace(
        split=split,
        groups=np.array(groups),
        dataset=dataset,
        seen=seen or {},
        folder=SimpleNamespace(path=name),
    )


def split_of(train, val, test=()):
    return Split(*(np.array(part, np.int64) for part in (train, val, test)))


def test_several_runs_share_the_images():
    folds = [
        plan(split_of([0, 1], [2], [3])),
        plan(split_of([1, 2], [3], [0])),
    ]
    unseen = unseen_images(folds)
    assert unseen.by.tolist() == [[False, False, True, True], [True, False, False, True]]
    assert unseen.in_test.tolist() == [[False, False, False, True], [True, False, False, False]]
    batches = [(runs, rows.tolist()) for runs, rows in unseen.batches()]
    assert sorted(batches) == [([0], [2]), ([0, 1], [3]), ([1], [0])]  # image 1 is not audited


def test_what_a_starting_run_trained_on_has_been_seen():
    starting = plan(split_of([0], [1, 2]), seen={"h1": "train", "h2": "val"})
    assert unseen_images([starting]).by.tolist() == [[False, False, True, False]]


def test_other_data_and_other_classes_are_refused():
    first = plan(split_of([0], [1]), name="one")
    with pytest.raises(UserError, match=r"two: its classes are 1, 2, and those of one are 1; audi"):
        check_same_data([first, plan(split_of([0], [1]), classes=("1", "2"), name="two")])
    with pytest.raises(UserError, match=r"two: its images or labels are not those of one; audit"):
        check_same_data([first, plan(split_of([0], [1]), manifest="b", name="two")])


def test_runs_that_saw_every_image_are_refused():
    with pytest.raises(UserError, match="trained on every image, or on a near-duplicate of it"):
        unseen_images([plan(split_of([0, 1], [2, 3]), groups=(0, 1, 0, 1))])


def test_an_image_of_no_run_is_in_no_batch():
    assert list(Unseen(np.zeros((2, 3), bool), np.zeros((2, 3), bool)).batches()) == []
