import numpy as np
import pytest

from steelexp.data.augment.donors import Donors, pick_defect
from steelexp.data.dataset import DataError

# One component of class 0, two of class 1; the corner joins the second's pixels.
BITS = np.array(
    [
        [1, 1, 0, 0, 2],
        [1, 0, 0, 0, 0],
        [0, 0, 2, 0, 0],
        [0, 0, 0, 2, 2],
    ],
    np.uint8,
)


def picked(numbers, count=200):
    rng = np.random.default_rng(0)
    return [pick_defect(BITS, numbers, rng) for _ in range(count)]


def test_a_component_with_its_box():
    defect = pick_defect(BITS, [0], np.random.default_rng(0))
    assert (defect.top, defect.left, defect.bit) == (0, 0, 1)
    assert defect.mask.tolist() == [[True, True], [True, False]]


def test_components_of_a_class_are_drawn_equally_often():
    corners = [(defect.top, defect.left) for defect in picked([1])]
    assert set(corners) == {(0, 4), (2, 2)}
    assert corners.count((0, 4)) == pytest.approx(100, abs=30)
    joined = next(defect for defect in picked([1]) if defect.top == 2)
    assert joined.mask.tolist() == [[True, False, False], [False, True, True]]


def test_classes_in_the_tile_are_drawn_equally_often():
    bits = [defect.bit for defect in picked([0, 1, 5])]
    assert set(bits) == {1, 2}
    assert bits.count(1) == pytest.approx(100, abs=30)


def test_none_where_the_tile_holds_no_such_class():
    assert pick_defect(BITS, [2, 7], np.random.default_rng(0)) is None
    assert pick_defect(np.zeros_like(BITS), [0, 1], np.random.default_rng(0)) is None


@pytest.mark.parametrize(("number", "word"), [(7, np.uint8), (11, np.uint16), (31, np.uint32)])
def test_the_highest_bit(number, word):
    bits = (BITS // 2 * np.uint32(1 << number)).astype(word)
    defect = pick_defect(bits, [number], np.random.default_rng(1))
    assert defect.bit == 1 << number


def test_names_become_numbers_or_are_refused():
    donors = Donors(("pits", "crack", "scratch"), lambda rng, number: None)
    assert donors.class_numbers(("scratch", "pits"), "augment.x.classes") == [2, 0]
    with pytest.raises(DataError) as caught:
        donors.class_numbers(("crak", "pits", "3"), "augment.x.classes")
    assert str(caught.value) == (
        "augment.x.classes: crak, 3: the data set has no such class; allowed: pits, crack, scratch"
    )
