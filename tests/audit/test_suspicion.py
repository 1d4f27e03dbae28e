import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelexp.audit.components import Suspect
from steelexp.audit.suspicion import NEIGHBOURS, beyond_usual, ranks, suspicion
from steelexp.evaluation.component_confusion import Box

KINDS = ("missed", "invented", "swapped", "ragged")


def suspect(kind, label, disagreement, area=100, loss=1.0):
    return Suspect(0, kind, label, None, area, Box(0, 0, 1, 1), 0.5, 0.5, disagreement, loss)


def test_the_first_of_each_kind_and_class_come_first():
    every = [
        suspect("missed", 0, 0.8),
        suspect("missed", 0, 0.9),
        suspect("missed", 1, 0.6),
        suspect("swapped", 0, 0.7),
    ]
    assert suspicion(every).tolist() == pytest.approx([0.8 / 2, 0.9, 0.6, 0.7])


def test_a_ragged_border_counts_beyond_what_is_usual():
    every = [suspect("ragged", 0, value) for value in (0.2, 0.2, 0.3, 0.7)]
    # The medians of the other three are 0.3, 0.3, 0.2 and 0.2.
    assert suspicion(every).tolist() == pytest.approx([0, 0, 0.1 / 2, 0.5])


def test_a_certain_disagreement_counts_more():
    every = [suspect("missed", 0, 0.9, loss=2.0), suspect("missed", 1, 0.9, loss=3.0)]
    assert suspicion(every).tolist() == pytest.approx([1.8, 2.7])


def test_usual_is_what_components_of_the_same_size_show():
    count = 2 * NEIGHBOURS
    areas = np.repeat([10, 1000], count)
    values = np.repeat([0.5, 0.1], count)
    excess = beyond_usual(values, areas)
    assert (excess[:NEIGHBOURS].tolist(), excess[-NEIGHBOURS:].tolist()) == ([0.0] * 60, [0.0] * 60)
    values[-1] = 0.5  # usual for a small component
    assert beyond_usual(values, areas)[-1] == pytest.approx(0.4)


def test_a_component_alone_has_all_of_its_disagreement():
    assert beyond_usual(np.array([0.4]), np.array([100])).tolist() == [0.4]
    assert suspicion([]).tolist() == []


def test_ranks_of_equals_are_in_their_order():
    assert ranks(np.array([0.5, 0.9, 0.5])).tolist() == [2, 1, 3]


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 2), st.floats(0, 1))))
def test_it_is_at_most_the_disagreement_and_orders_within_a_kind(entries):
    every = [suspect(*entry) for entry in entries]
    numbers = suspicion(every)
    for (kind, label, disagreement), number in zip(entries, numbers.tolist(), strict=True):
        assert 0 <= number <= disagreement
        if kind != "ragged":
            same = [e for e in zip(entries, numbers, strict=True) if e[0][:2] == (kind, label)]
            assert all(other <= number for (_, _, d), other in same if d < disagreement)
