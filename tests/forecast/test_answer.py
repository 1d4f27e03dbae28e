"""Answers, and every refusal."""

import numpy as np
import pytest

from steelexp.forecast.answer import answer, curves_of, rises
from steelexp.forecast.observations import Observations

IMAGES = np.array([100.0, 200.0, 400.0, 800.0])
TRUTH = 0.8 - 0.3 * (IMAGES / 100) ** -0.6


def observed(scores, deviation=2e-3, common=0.0):
    luck = [[-1, 0, 1], [1, -1, 0], [0, 1, -1], [-1, 1, 0]]  # of each size, none alike
    runs = np.array(scores)[:, None] + deviation * np.array(luck)
    return Observations(IMAGES, runs, np.full((4, 4), common**2))


def asked(data, target):
    return answer(data, curves_of(data), target)


def test_a_number_of_images_with_its_interval():
    target = 0.8 - 0.3 * 16**-0.6  # reached with 1,600 images
    images, refusal = asked(observed(TRUTH), target)
    assert refusal == ""
    assert images.median == pytest.approx(1600, rel=0.15)
    assert 800 < images.low < 1600 < images.high < 3200


def test_an_end_beyond_the_farthest_size_is_open():
    images, _ = asked(observed(TRUTH, common=0.03), 0.8 - 0.3 * 24**-0.6)
    assert images.high == np.inf
    assert images.low < 2400


REFUSALS = {
    "reached already: 0.7": (observed(TRUTH), 0.6),
    "no upward trend: what there is": (observed([0.5, 0.51, 0.49, 0.5], 0.02), 0.6),
    "above what more images approach: 0.": (observed([0.5, 0.59, 0.6, 0.6]), 0.9),
    "farther than 4 times the largest size: 0.": (observed([0.3, 0.36, 0.42, 0.48]), 0.75),
}


@pytest.mark.parametrize("words", REFUSALS)
def test_what_the_data_cannot_say_is_refused_in_a_line(words):
    images, refusal = asked(*REFUSALS[words])
    assert images is None
    assert refusal.startswith(words)
    assert refusal.isprintable()


def test_scores_without_any_noise():
    assert rises(observed(TRUTH, deviation=0.0))
    assert not rises(observed([0.0] * 4, deviation=0.0))


def test_chance_is_called_a_trend_in_one_of_twenty():
    random = np.random.default_rng(0)
    called = 0
    for _ in range(400):
        level = random.normal(0.5, 0.02)  # of the evaluated images: common to all sizes
        runs = level + random.normal(0, 0.01, (4, 3))
        called += rises(Observations(IMAGES, runs, np.full((4, 4), 0.02**2)))
    assert 8 <= called <= 33  # 20 expected; each bound is missed by chance in 0.3 %
