"""Signed ranks and Holm's correction, by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelexp.comparison.ratios import Sums, group_sums
from steelexp.comparison.signed_ranks import group_differences, holm, signed_ranks

NAN = float("nan")


def test_differences_of_groups_by_hand():
    """Images 0 and 1 are copies: their differences 0.1 and 0.3 count once, as 0.2."""
    held = np.array([[True, True], [True, False], [False, True], [False, False]])
    groups = np.array([0, 0, 1, 2])
    baseline = np.full((1, 4, 2), 0.5)
    first = [[0.6, 0.2], [0.8, 9], [9, 0.4], [9, 9]]
    second = [[0.6, 0.4], [0.8, 9], [9, 0.5], [9, 9]]
    runs = np.array([first, second])
    denominators = group_sums(held, groups)[None]
    one, other = (
        Sums(group_sums(dice * held, groups), denominators, micro_average=False)
        for dice in (runs, baseline)
    )
    assert group_differences(one, other) == pytest.approx(
        np.array([[0.2, -0.2, 0.0], [NAN, -0.05, -0.05], [NAN, NAN, NAN]]), nan_ok=True
    )


def test_signed_ranks_by_hand():
    """Ranks 1, 2, 3, 4 with signs + - + +: (8 - 2) / 10. Of the 16 choices of signs 2 x 3 are as
    extreme: those with ranks of a sum of 0, 1 or 2 on one side."""
    result = signed_ranks(np.array([0.1, -0.2, 0.3, NAN, 0.4]))
    assert result.effect == pytest.approx(0.6)
    assert result.p == pytest.approx(6 / 16)
    assert result.groups == 4


def test_ties_have_the_mean_rank_and_zeros_none():
    result = signed_ranks(np.array([0.0, 0.1, 0.1, -0.1, 0.3]))
    assert result.effect == pytest.approx((2 + 2 + 4 - 2) / 10)
    assert result.groups == 5


def test_rounding_errors_are_no_differences():
    result = signed_ranks(np.array([1e-17, -1e-17, 1e-16]))
    assert (result.p, result.effect, result.groups) == (1.0, 0.0, 3)


def test_nothing_to_rank():
    result = signed_ranks(np.array([NAN, NAN]))
    assert np.isnan(result.p)
    assert result.groups == 0


def test_holm_by_hand():
    """0.01 x 4; 0.02 x 3; 0.03 x 2, raised to the one before where it is below; 0.9 x 1."""
    assert holm(np.array([0.03, 0.01, 0.9, 0.02])) == pytest.approx([0.06, 0.04, 0.9, 0.06])
    assert holm(np.array([0.04, 0.03, 0.2])) == pytest.approx([0.09, 0.09, 0.2])
    assert holm(np.array([0.6, 0.7])) == pytest.approx([1.0, 1.0])


def test_holm_does_not_count_what_is_undefined():
    assert holm(np.array([NAN, 0.01, 0.5])) == pytest.approx([NAN, 0.02, 0.5], nan_ok=True)
    assert len(holm(np.array([]))) == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_never_lowers(values):
    p = np.array(values)
    corrected = holm(p)
    assert (corrected >= p).all()
    assert (corrected <= np.minimum(p * len(p), 1) + 1e-12).all()
    order = np.argsort(p, kind="stable")
    assert (np.diff(corrected[order]) >= 0).all()
