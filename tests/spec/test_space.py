from graphlib import CycleError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelexp.spec.space import Dimension, assignments, is_active, parents_first, size


def dimension(**settings):
    return Dimension.model_validate(settings)


LOSSES = dimension(choice=["dice", "focal", "bce"])
GAMMA = dimension(float=[0.5, 4.0], when={"loss.name": ["focal"]})
BATCH = dimension(int=[4, 18], step=4)
RATE = dimension(log_uniform=[1e-4, 1e-2])
SPACE = {"loss.gamma": GAMMA, "loss.name": LOSSES, "training.batch_size": BATCH}


class TestDimension:
    def test_every_value_of_a_finite_one(self):
        assert LOSSES.finite == ["dice", "focal", "bce"]
        assert BATCH.finite == [4, 8, 12, 16]
        assert GAMMA.finite is RATE.finite is None

    def test_what_is_tried(self):
        assert LOSSES.extremes == ["dice", "focal", "bce"]
        assert BATCH.extremes == [4, 8, 12, 16]
        assert dimension(int=[1, 100]).extremes == [1, 100]
        assert dimension(int=[1, 100], step=2).extremes == [1, 99]
        assert RATE.extremes == [1e-4, 1e-2]

    def test_points_of_a_grid(self):
        assert LOSSES.points(2) == LOSSES.finite
        assert GAMMA.points(3) == [0.5, 2.25, 4.0]
        assert RATE.points(3) == [1e-4, 1e-3, 1e-2]
        assert GAMMA.points(1) == [2.25]

    def test_a_choice_is_known_by_its_place_and_may_hold_anything(self):
        mixed = dimension(choice=[None, [1, 2], {"a": 1}, False])
        assert [mixed.number(value) for value in mixed.choice] == [0, 1, 2, 3]
        assert [mixed.value(number) for number in range(4)] == mixed.choice

    def test_numbers_are_short_and_within_the_range(self):
        assert RATE.value(0.00123456789) == 0.001235
        assert GAMMA.value(1.23456789) == 1.235
        narrow = dimension(float=[0.99, 0.9991])
        assert (narrow.value(0.99123456), narrow.value(0.990000001)) == (0.991235, 0.99)
        assert RATE.value(0.0099999999) == 0.01
        assert dimension(int=[1, 9]).value(3.0) == 3

    @given(st.floats(1e-4, 1e-2))
    def test_a_value_is_its_own_number(self, number):
        value = RATE.value(number)
        assert RATE.value(RATE.number(value)) == value
        assert 1e-4 <= value <= 1e-2
        assert value == pytest.approx(number, rel=1e-3)

    def test_as_written(self):
        assert GAMMA.as_written() == {"float": [0.5, 4.0], "when": {"loss.name": ["focal"]}}
        assert BATCH.as_written() == {"int": [4, 18], "step": 4}


def test_parents_come_first():
    assert parents_first(SPACE).index("loss.name") < parents_first(SPACE).index("loss.gamma")


def test_conditions_in_a_circle():
    a, b = dimension(int=[1, 2], when={"b": [1]}), dimension(int=[1, 2], when={"a": [1]})
    with pytest.raises(CycleError):
        parents_first({"a": a, "b": b})


def test_a_condition_holds_or_not():
    assert is_active(GAMMA, {"loss.name": "focal"})
    assert not is_active(GAMMA, {"loss.name": "dice"})
    assert not is_active(GAMMA, {})
    assert is_active(LOSSES, {})


def test_assignments_leave_out_what_is_inactive():
    result = list(assignments(SPACE, {"loss.name", "loss.gamma"}))
    assert [{**values} for values in result] == [
        {"loss.name": "dice", "training.batch_size": 4},
        {"loss.name": "focal", "training.batch_size": 4, "loss.gamma": 0.5},
        {"loss.name": "focal", "training.batch_size": 4, "loss.gamma": 4.0},
        {"loss.name": "bce", "training.batch_size": 4},
    ]


def test_size_counts_a_conditional_setting_where_it_is_used():
    assert size(SPACE, points=5) == 4 * (1 + 5 + 1)
    deeper = SPACE | {"loss.alpha": dimension(choice=[1, 2], when={"training.batch_size": [8]})}
    assert size(deeper, points=5) == (3 + 2) * (1 + 5 + 1)
