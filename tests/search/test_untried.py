import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelexp.search.untried import untried_values
from steelexp.spec.space import Dimension, combination_count, is_combination

SPACE = {
    "gamma": Dimension(choice=[1.0, 2.0, 3.0], when={"loss": ["focal"]}),
    "loss": Dimension(choice=["dice", "focal"]),
    "size": Dimension(int=[4, 8], step=4),
}


def walk(space, random):
    """Every combination in the order in which they come."""
    tried = []
    while (values := untried_values(space, lambda values: values in tried, random)) is not None:
        tried.append(values)
    return tried


def test_the_order_of_the_space_by_hand():
    dice, focal = {"loss": "dice"}, {"loss": "focal"}
    assert walk(SPACE, None) == [
        dice | {"size": 4},
        dice | {"size": 8},
        *(
            {"gamma": gamma} | focal | {"size": size}
            for size in (4, 8)
            for gamma in (1.0, 2.0, 3.0)
        ),
    ]


@given(st.integers(0, 2**32))
def test_at_random_each_once(seed):
    tried = walk(SPACE, np.random.default_rng(seed))
    assert len(tried) == combination_count(SPACE) == 8
    assert all(is_combination(SPACE, values) for values in tried)
    assert sorted(map(str, tried)) == sorted(map(str, walk(SPACE, None)))


def test_a_continuous_range_has_few_values_once_rounded():
    """3.000e-3 to 3.010e-3 in four digits: 11 values."""
    space = {"rate": Dimension(log_uniform=[3.0e-3, 3.01e-3])}
    values = [each["rate"] for each in walk(space, np.random.default_rng(0))]
    assert sorted(values) == pytest.approx([3.0e-3 + step * 1e-6 for step in range(11)])


def test_what_lies_outside_is_no_combination():
    assert not is_combination(SPACE, {"loss": "dice", "size": 5})
