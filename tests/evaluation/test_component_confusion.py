"""Confusion of components, each by hand, and its agreement with detection."""

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from steelexp.data.bits import pack_bits
from steelexp.evaluation.component_confusion import Box, Finding, findings
from steelexp.evaluation.detection import count_components

Area = tuple[int, int, int, int, int]
"""Class, top, left, bottom, right."""


def masks(*areas: Area) -> npt.NDArray[np.bool_]:
    """Masks of two classes on 20 x 40 pixels."""
    drawn = np.zeros((20, 40, 2), bool)
    for c, top, left, bottom, right in areas:
        drawn[top:bottom, left:right, c] = True
    return drawn


def cells(truths: npt.NDArray[np.bool_], predicted: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    return [(each.truth, each.prediction) for each in found(truths, predicted)]


def found(truths: npt.NDArray[np.bool_], predicted: npt.NDArray[np.bool_]) -> list[Finding]:
    return list(findings(pack_bits(truths), pack_bits(predicted), 2))


BLOCK = (0, 2, 2, 10, 10)


def test_nothing_is_no_component() -> None:
    assert cells(masks(), masks()) == []


def test_a_quarter_of_a_component_detects_it() -> None:
    assert cells(masks(BLOCK), masks((0, 2, 2, 4, 10))) == [(1, 1)]  # 16 of 64 pixels


def test_less_than_a_quarter_misses_it() -> None:
    # The predicted component lies on the label, so that it is correct itself.
    assert cells(masks(BLOCK), masks((0, 2, 2, 4, 9))) == [(1, 0)]


def test_one_that_nothing_covers_is_missed_and_one_that_covers_nothing_is_invented() -> None:
    two = found(masks(BLOCK), masks((1, 2, 20, 6, 30)))
    assert [(each.truth, each.prediction) for each in two] == [(1, 0), (0, 2)]
    assert [each.area for each in two] == [64, 40]
    assert [each.box for each in two] == [Box(2, 2, 10, 10), Box(2, 20, 6, 30)]


def test_a_swapped_class_counts_once() -> None:
    assert cells(masks(BLOCK), masks((1, *BLOCK[1:]))) == [(1, 2)]


def test_its_own_class_comes_first() -> None:
    own = (0, 2, 2, 10, 5)  # 24 of 64 pixels, and the other class has all
    assert cells(masks(BLOCK), masks(own, (1, *BLOCK[1:]))) == [(1, 1), (1, 2)]


def test_a_speck_of_another_class_on_a_missed_component_is_a_swap() -> None:
    # It covers too little of the label to swap it, but lies on it.
    assert cells(masks(BLOCK), masks((1, 4, 4, 6, 6))) == [(1, 0), (1, 2)]


@st.composite
def drawn(draw: st.DrawFn) -> npt.NDArray[np.bool_]:
    sides = st.tuples(st.integers(0, 15), st.integers(0, 35), st.integers(1, 9), st.integers(1, 9))
    areas = draw(st.lists(st.tuples(st.integers(0, 1), sides), max_size=6))
    return masks(*((c, top, left, top + h, left + w) for c, (top, left, h, w) in areas))


@settings(max_examples=60, deadline=None)
@given(drawn(), drawn())
def test_the_diagonal_is_what_detection_counts(
    truths: npt.NDArray[np.bool_], predicted: npt.NDArray[np.bool_]
) -> None:
    matrix = np.zeros((3, 3), int)
    for cell in cells(truths, predicted):
        matrix[cell] += 1
    for c in range(2):
        counts = count_components(predicted[..., c], truths[..., c])
        assert matrix[c + 1, c + 1] == counts.detected.sum()
        assert matrix[c + 1].sum() >= counts.labelled.sum()
        wrong = counts.predicted.sum() - counts.correct.sum()
        mistakes = matrix[:, c + 1].sum() - matrix[c + 1, c + 1]
        assert matrix[0, c + 1] <= wrong
        assert mistakes > 0 or wrong == 0  # a wrong component counts, itself or by its label
