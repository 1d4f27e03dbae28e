from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelexp.data.class_order import match_classes
from steelexp.data.dataset import DataError
from tests.fakes import labelled


def test_by_hand():
    dataset = labelled([[3, 5, 7]])  # classes 1, 2, 3
    object.__setattr__(dataset, "read_mask", lambda row: np.array([[1, 2, 4, 3, 9]], np.uint8))
    matched = match_classes(dataset, ("3", "pit", "2"), {"1": "pit"})
    assert matched.classes == ("3", "pit", "2")
    assert matched.pixels.tolist() == [[7, 3, 5]]
    # Class 1 was bit 0 and is bit 1, class 2 goes to bit 2, class 3 to bit 0; bit 3 stays.
    assert matched.mask(0).tolist() == [[2, 4, 1, 6, 10]]
    assert matched.mask(0).dtype == np.uint8
    assert matched.manifest != dataset.manifest


def test_the_same_names_change_nothing():
    dataset = labelled([[3, 5]])
    assert match_classes(dataset, ("1", "2"), {}) is dataset


@given(st.permutations(range(4)), st.integers(0, 255))
def test_there_and_back(order: Sequence[int], value: int):
    dataset = labelled([[1, 2, 3, 4]])
    object.__setattr__(dataset, "read_mask", lambda row: np.array([[value]], np.uint8))
    there = match_classes(dataset, [dataset.classes[c] for c in order], {})
    back = match_classes(there, dataset.classes, {})
    assert back.mask(0).tolist() == [[value]]
    assert back.pixels.tolist() == dataset.pixels.tolist()


def test_some_classes_may_be_missing_where_that_is_said():
    dataset = labelled([[3, 5]])
    object.__setattr__(dataset, "read_mask", lambda row: np.array([[1, 2, 7]], np.uint8))
    matched = match_classes(dataset, ("0", "2", "1"), {}, subset=True)
    assert matched.pixels.tolist() == [[0, 5, 3]]
    assert matched.mask(0).tolist() == [[4, 2, 14]]  # the bit after the last class stays there
    with pytest.raises(DataError, match="only these names are needed: 0, 2"):
        match_classes(dataset, ("0", "2"), {}, subset=True)


@pytest.mark.parametrize(
    ("classes", "renamed", "text"),
    [
        (("1", "2", "3"), {}, "are 1, 2, and the same names are needed: 1, 2, 3; name"),
        (("1",), {}, "the same names are needed: 1;"),
        (("1", "2"), {"3": "2"}, "--rename 3=...: the data have no such class; theirs: 1, 2"),
        (("1", "2"), {"1": "2"}, "are 2, 2, and the same names are needed: 1, 2"),
    ],
)
def test_other_names_are_refused(classes: Sequence[str], renamed: dict[str, str], text: str):
    with pytest.raises(DataError) as refusal:
        match_classes(labelled([[1, 1]]), classes, renamed)
    assert text in str(refusal.value)
    assert "\n" not in str(refusal.value)
