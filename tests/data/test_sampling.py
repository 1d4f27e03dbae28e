import numpy as np
import pytest

from steelexp.data.sampling import SAMPLERS, foreground, uniform

# Two tiles of class a, one of class b, one of both, four clean.
PIXELS = np.array([[9, 0], [3, 0], [0, 5], [1, 1], [0, 0], [0, 0], [0, 0], [0, 0]])


def test_uniform_draws_nothing() -> None:
    assert uniform(lambda: PIXELS) is None


def test_foreground_by_hand() -> None:
    # Class a is in 3 tiles, b in 2; each gets half of the share of 0.6.
    a, b, clean = 0.3 / 3, 0.3 / 2, 0.4 / 4
    expected = [a, a, b, a + b, clean, clean, clean, clean]
    assert foreground(lambda: PIXELS, share=0.6) == pytest.approx(expected)


@pytest.mark.parametrize(("rows", "expected"), [([0, 1], [0.5, 0.5]), ([4, 5], [0.5, 0.5])])
def test_foreground_with_tiles_of_one_sort(rows: list[int], expected: list[float]) -> None:
    assert foreground(lambda: PIXELS[rows], share=0.3) == pytest.approx(expected)


def test_a_class_that_no_tile_holds_takes_nothing() -> None:
    pixels = np.array([[2, 0], [0, 0]])
    assert foreground(lambda: pixels, share=0.5) == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_probabilities_add_up_to_one(name: str) -> None:
    found = SAMPLERS[name](lambda: PIXELS)
    assert found is None or found.sum() == pytest.approx(1)
