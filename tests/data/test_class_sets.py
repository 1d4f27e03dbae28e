import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelexp.data.class_sets import from_values, has_overlaps, to_values


def test_by_hand():
    bits = np.array([[0, 1, 2, 4, 3, 5, 6, 7]], np.uint8)
    assert to_values(bits, 3).tolist() == [[0, 1, 2, 3, 4, 5, 6, 7]]
    assert to_values(bits[:, :2], 1).tolist() == [[0, 1]]


@given(st.integers(1, 8), st.data())
def test_there_and_back(classes, data):
    bits = np.array([data.draw(st.lists(st.integers(0, 2**classes - 1), min_size=1))], np.uint8)
    values = to_values(bits, classes)
    assert (from_values(values, classes) == bits).all()
    is_single = [int(each).bit_count() <= 1 for each in bits.ravel()]
    assert ((values.ravel() <= classes) == is_single).all()
    assert has_overlaps(bits) == (not all(is_single))


def test_what_a_byte_cannot_hold_is_refused():
    with pytest.raises(IndexError):
        to_values(np.array([[4]], np.uint8), 2)
    with pytest.raises(IndexError):
        from_values(np.array([[4]], np.uint8), 2)
    with pytest.raises(ValueError, match="9 classes: masks of numbers hold the sets of at most 8"):
        to_values(np.array([[5]], np.uint16), 9)
