"""Metrics and jackknife on a few groups, by hand."""

import numpy as np
import pytest

from steelexp.comparison.ratios import (
    Sums,
    class_weights,
    counted_groups,
    effective_groups,
    group_sums,
    influence,
    metric,
    shares,
)

# Three groups of one class: scores 1, 2, 0 of 2, 2, 1 images.
ONE_CLASS = Sums(np.array([[[1.0], [2.0], [0.0]]]), np.array([[[2.0], [2.0], [1.0]]]), False)
# Two classes; the second is held by the first group alone, the third by none.
SPARSE = Sums(
    np.array([[[1.0, 0.5, 0.0], [2.0, 0.0, 0.0]]]),
    np.array([[[2.0, 1.0, 0.0], [2.0, 0.0, 0.0]]]),
    False,
)


def test_group_sums_add_up_the_images_of_each_group():
    values = np.array([[[0.5], [1.0], [0.25]]])  # [R, S, C] = [1, 3, 1]
    assert group_sums(values, np.array([0, 1, 0])).tolist() == [[[0.75], [1.0]]]
    assert group_sums(values[0], np.array([0, 1, 0])).tolist() == [[0.75], [1.0]]


def test_the_metric_is_a_ratio_of_sums():
    assert metric(ONE_CLASS)[0] == pytest.approx([3 / 5, 3 / 5])


def test_a_class_without_images_is_undefined_and_not_in_the_mean():
    values = metric(SPARSE)[0]
    assert values[[0, 1, 3]] == pytest.approx([0.75, 0.5, 0.625])
    assert np.isnan(values[2])


def test_pairs_are_pooled_over_the_classes():
    pooled = SPARSE._replace(micro_average=True)
    assert metric(pooled)[0, -1] == pytest.approx(3.5 / 5)
    assert class_weights(pooled) == pytest.approx([0.8, 0.2, 0.0])
    assert class_weights(SPARSE) == pytest.approx([0.5, 0.5, 0.0])


def test_the_influence_of_a_group_is_what_the_metric_loses_without_it():
    without = [2 / 3, 1 / 3, 3 / 4]
    assert influence(ONE_CLASS)[0, :, 0] == pytest.approx([3 / 5 - value for value in without])
    pooled = SPARSE._replace(micro_average=True)
    assert influence(pooled)[0, :, -1] == pytest.approx([0.7 - 2 / 2, 0.7 - 1.5 / 3])


def test_a_class_in_one_group_has_no_influence_to_measure():
    parts = influence(SPARSE)[0]
    assert np.isnan(parts[0]).tolist() == [False, True, True, True]


def test_groups_of_equal_size_count_in_full():
    equal = Sums(np.ones((1, 7, 1)), np.ones((1, 7, 1)), False)
    assert effective_groups(shares(equal)) == pytest.approx([7, 7])
    share = shares(ONE_CLASS)
    assert share[:, 0] == pytest.approx([0.4, 0.4, 0.2])
    assert effective_groups(share)[0] == pytest.approx(1 / 0.36)
    assert counted_groups(shares(SPARSE)).tolist() == [2, 1, 0, 2]
