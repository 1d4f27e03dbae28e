from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelexp.data.generator.prevalence import (
    CLASS_STRIPS,
    PAIR_STRIPS,
    choose_classes,
    combination_shares,
    sample_component_areas,
)

AREAS = [
    1.06,
    0.82,
    6.22,
    8.39,
]  # percent of the strip where present, over the 12,568 training strips
COUNTS = [3.4, 1.3, 2.8, 2.4]


def marginals(shares):
    return np.array([sum(s for classes, s in shares.items() if c in classes) for c in range(4)])


@given(st.floats(0, 1))
def test_frequencies_follow_severstals_to_the_power_of_rarity(rarity):
    shares = combination_shares(rarity)
    assert min(shares.values()) > 0
    assert sum(shares.values()) == pytest.approx(1)
    wanted = CLASS_STRIPS**rarity
    assert marginals(shares) / marginals(shares).sum() == pytest.approx(wanted / wanted.sum())


def test_at_rarity_1_the_combinations_are_severstals():
    shares = combination_shares(1.0)
    assert marginals(shares) * 6666 == pytest.approx(CLASS_STRIPS, rel=0.01)
    assert shares[2, 3] == pytest.approx(284 / 6666)
    assert shares[2,] == pytest.approx((5150 - 93 - 16 - 284) / 6666, rel=0.01)


@pytest.mark.parametrize("first", [0, 7, 2**35])
def test_any_150_strips_hold_the_classes_as_often_as_promised(first):
    defects_on = [
        choose_classes(3, k, rarity=1.0, defect_share=0.53) for k in range(first, first + 150)
    ]
    counts = [sum(c in classes for classes in defects_on) for c in range(4)]
    assert counts == pytest.approx(CLASS_STRIPS / 6666 * 0.53 * 150, abs=2.5)
    assert sum(map(bool, defects_on)) == pytest.approx(0.53 * 150, abs=1.5)


def test_a_defect_share_of_0_or_1_is_obeyed():
    assert not any(choose_classes(0, k, rarity=0.5, defect_share=0.0) for k in range(500))
    assert all(choose_classes(0, k, rarity=0.5, defect_share=1.0) for k in range(500))


def test_other_seeds_start_elsewhere():
    rows = {
        tuple(choose_classes(seed, k, rarity=0.0, defect_share=0.5) for k in range(20))
        for seed in range(5)
    }
    assert len(rows) == 5


def test_pairs_are_within_the_classes():
    assert all(a < b < len(CLASS_STRIPS) for a, b in PAIR_STRIPS)


@pytest.mark.parametrize("c", range(4))
def test_areas_and_counts_are_severstals(c):
    draws = [sample_component_areas(np.random.default_rng([1, k]), c, np.inf) for k in range(1000)]
    percent = np.mean([areas.sum() for areas in draws]) / 4096
    assert percent == pytest.approx(AREAS[c], rel=0.12)
    assert np.mean([len(areas) for areas in draws]) == pytest.approx(COUNTS[c], rel=0.12)


def test_no_more_is_drawn_than_there_is_room_for():
    totals = [sample_component_areas(np.random.default_rng(k), 2, 4096.0).sum() for k in range(100)]
    assert max(totals) == pytest.approx(4096)


def test_two_classes_a_strip_by_hand() -> None:
    shares = combination_shares(0.0, 2)
    assert shares == pytest.approx(dict.fromkeys(combinations(range(4), 2), 1 / 6))
    natural = combination_shares(1.0, 3)  # proportional to the products of 897, 247, 5150 and 801
    assert natural[0, 1, 2] / natural[1, 2, 3] == pytest.approx(897 / 801)
