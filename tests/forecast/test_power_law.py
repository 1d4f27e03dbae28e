"""Curves through scores at several sizes."""

import numpy as np
import pytest

from steelexp.forecast.observations import Observations
from steelexp.forecast.power_law import Curves, posterior_curves

IMAGES = np.array([100.0, 200.0, 400.0, 800.0])


def observed(scores, deviation=1e-3, common=0.0):
    """Three seeds at `deviation` around each score, and a covariance that all sizes share."""
    luck = [[-1, 0, 1], [1, -1, 0], [0, 1, -1], [-1, 1, 0]]  # of each size, none alike
    runs = np.array(scores)[:, None] + deviation * np.array(luck)
    return Observations(IMAGES, runs, np.full((4, 4), common**2))


def drawn(data):
    return posterior_curves(data, np.random.default_rng(0))


def test_one_curve_by_hand():
    curves = Curves(100.0, np.array([0.5]), np.array([0.4]), np.array([0.5]))
    assert curves.at(100).tolist() == [0.5]
    assert curves.at(400).tolist() == [0.7]  # 0.4 of what is left, times 1 - 1 / sqrt(4)
    assert curves.at(25) == pytest.approx([0.1])
    assert curves.limit == pytest.approx([0.9])
    assert curves.images_for(0.7) == pytest.approx([400])
    assert curves.images_for(0.1) == pytest.approx([25])
    assert curves.images_for(0.95).tolist() == [np.inf]


def test_a_level_curve_never_has_more():
    curves = Curves(100.0, np.array([0.5]), np.array([0.0]), np.array([0.5]))
    assert curves.images_for(0.6).tolist() == [np.inf]


def test_a_curve_without_noise_is_found():
    truth = 0.8 - 0.3 * (IMAGES / 100) ** -0.6
    curves = drawn(observed(truth, deviation=5e-4))
    for images in (800, 1600, 3200):
        wanted = 0.8 - 0.3 * (images / 100) ** -0.6
        assert np.median(curves.at(images)) == pytest.approx(wanted, abs=0.01)
    for images, score in zip(IMAGES, truth, strict=True):
        assert np.quantile(curves.at(images), [0.05, 0.95]) == pytest.approx(score, abs=0.015)


def test_every_curve_is_within_the_bounds_and_rises():
    curves = drawn(observed([0.9, 0.94, 0.97, 0.98], deviation=0.02))
    assert (curves.score >= 0).all()
    assert (curves.gap >= 0).all()
    assert (curves.limit <= 1 + 1e-12).all()
    assert (curves.at(3200) >= curves.at(800)).all()


def test_scores_that_fall_give_level_curves():
    curves = drawn(observed([0.7, 0.6, 0.5, 0.4]))
    assert not curves.gap.any()
    assert ((curves.score >= 0) & (curves.score <= 1)).all()
    assert np.median(curves.score) == pytest.approx(0.55, abs=0.02)


def test_noise_of_the_images_moves_all_sizes_and_not_the_shape():
    truth = 0.8 - 0.3 * (IMAGES / 100) ** -0.6
    alone = drawn(observed(truth))
    like = drawn(observed(truth, common=0.03))
    assert alone.score.std() < 0.01
    assert like.score.std() == pytest.approx(0.03, rel=0.15)
    rise = [(curves.at(1600) - curves.score).std() for curves in (alone, like)]
    assert rise[1] == pytest.approx(rise[0], rel=0.25)


def test_more_noise_between_seeds_makes_wider_intervals():
    truth = 0.8 - 0.3 * (IMAGES / 100) ** -0.6
    widths = [drawn(observed(truth, deviation)).at(3200).std() for deviation in (0.001, 0.01, 0.03)]
    assert widths == sorted(widths)
    assert widths[0] < widths[2] / 2


def test_the_same_observations_give_the_same_curves():
    data = observed([0.4, 0.5, 0.56, 0.6])
    assert all(map(np.array_equal, drawn(data), drawn(data)))
