"""Noise of scores at several sizes."""

import numpy as np
import pytest

from steelexp.comparison.ratios import Sums
from steelexp.forecast.observations import observations


def sums(runs):
    """Scores of runs on groups, [R, G], as the sums of one class."""
    scores = np.array(runs, float)[..., None]
    return Sums(scores, np.ones_like(scores), False)


def test_by_hand():
    # Two sizes, two seeds, three groups: what a group adds to a mean of three is its distance / 2.
    small = sums([[0.1, 0.2, 0.3], [0.3, 0.4, 0.5]])
    large = sums([[0.4, 0.5, 0.6], [0.4, 0.5, 0.6]])
    data, overall = observations([10, 20], [small, large])
    assert data.means == pytest.approx([0.3, 0.5])
    assert data.seeds == 2
    assert data.scatter == pytest.approx(np.array([[0.02, 0.0], [0.0, 0.0]]))
    added = np.array([-0.05, 0.0, 0.05])
    assert data.covariance == pytest.approx(np.full((2, 2), 2 / 3 * added @ added))
    assert overall.covariance == pytest.approx(data.covariance)


def test_groups_that_gain_alike_are_noise_of_the_level_alone():
    random = np.random.default_rng(0)
    hardness = random.normal(0.5, 0.1, 50)
    data = observations([10, 20], [sums([hardness]), sums([hardness + 0.1])])[0]
    contrast = np.array([-1, 1])
    assert contrast @ data.covariance @ contrast == pytest.approx(0, abs=1e-12)
    assert data.covariance[0, 0] == pytest.approx(0.1**2 / 50, rel=0.5)


def test_these_images_alone_have_no_noise_of_their_choice():
    random = np.random.default_rng(0)
    data = observations([10, 20], [sums(random.random((3, 9))) for _ in range(2)])[0]
    assert data.covariance.any()
    assert not data.on_these_images.covariance.any()
    assert data.on_these_images.means == pytest.approx(data.means)


def test_a_class_that_one_group_alone_holds_has_none():
    scores = np.array([[[0.5, 0.2], [0.6, 0.0]]])  # [R, G, C]
    holds = np.array([[[1.0, 1.0], [1.0, 0.0]]])
    size = Sums(scores, holds, False)
    assert observations([10, 20], [size, size])[1] is None
