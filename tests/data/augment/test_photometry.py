import numpy as np
import pytest

from steelexp.data.augment.donors import Donors
from steelexp.data.augment.photometry import (
    NORMAL,
    blur,
    brightness,
    contrast,
    gamma,
    noise,
    normal_levels,
)

NO_DONORS = Donors(("1",), lambda rng, number: None)
ROW = np.array([[[0, 40, 80, 200]]], np.uint8)  # mean 80
BITS = np.array([[[0, 1, 1, 0]]], np.uint8)


class FixedGenerator:
    """A generator whose uniform numbers are at a fixed share of their range."""

    def __init__(self, share):
        self.share = share

    def uniform(self, low, high, count):
        return np.full(count, low + self.share * (high - low))

    def random(self, count):
        return np.zeros(count)


def of(change, share, **settings):
    grey, bits = change(ROW, BITS, FixedGenerator(share), NO_DONORS, **settings)
    assert bits is BITS
    return grey[0, 0].tolist()


@pytest.mark.parametrize(
    ("share", "expected"),
    [(1.0, [0, 60, 120, 255]), (0.5, [0, 40, 80, 200]), (0.0, [0, 20, 40, 100])],
)
def test_brightness_by_hand(share, expected):
    assert of(brightness, share, amount=0.5) == expected


@pytest.mark.parametrize(
    ("share", "expected"),
    [(1.0, [0, 20, 80, 255]), (0.5, [0, 40, 80, 200]), (0.0, [40, 60, 80, 140])],
)
def test_contrast_by_hand(share, expected):
    assert of(contrast, share, amount=0.5) == expected


@pytest.mark.parametrize(
    ("share", "expected"),
    [  # 255 (40/255)^2 = 6.27, 25.1, 156.9; 255 (40/255)^(1/2) = 101.0, 142.8, 225.8
        (1.0, [0, 6, 25, 157]),
        (0.5, [0, 40, 80, 200]),
        (0.0, [0, 101, 143, 226]),
    ],
)
def test_gamma_by_hand(share, expected):
    assert of(gamma, share, amount=1.0) == expected


def test_each_tile_has_its_own_mean_and_amount():
    grey = np.array([[[10, 30]], [[100, 140]]], np.uint8)  # means 20 and 120
    bits = np.zeros_like(grey)
    rng = FixedGenerator(0.5)
    rng.uniform = lambda low, high, count: np.array([1.0, -0.5])
    changed, _ = contrast(grey, bits, rng, NO_DONORS, amount=1.0)
    assert changed.tolist() == [[[0, 40]], [[110, 130]]]


def test_the_noise_table_is_a_standard_normal():
    assert NORMAL.mean() == pytest.approx(0, abs=1e-9)
    assert NORMAL.std() == pytest.approx(1)
    assert np.interp([0.025, 0.975], (np.arange(256) + 0.5) / 256, NORMAL) == pytest.approx(
        [-1.96, 1.96], rel=0.02
    )


@pytest.mark.parametrize("std", [1.0, 4.0, 20.0])
def test_noise_has_its_standard_deviation_at_every_grey(std):
    grey = np.full((2, 256, 256), 128, np.uint8)
    rng = np.random.default_rng(0)
    changed, _ = noise(grey, np.zeros_like(grey), rng, NO_DONORS, std=std, probability=1.0)
    added = changed.astype(float) - 128
    # whole grey levels add a twelfth to the variance
    assert added.std() == pytest.approx(np.sqrt(std**2 + 1 / 12), rel=0.02)
    assert added.mean() == pytest.approx(0, abs=0.02 * std + 0.01)
    assert abs(np.corrcoef(added[0].ravel(), added[1].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(added[0, :-1].ravel(), added[0, 1:].ravel())[0, 1]) < 0.02


def test_noise_is_cut_off_at_black_and_white():
    grey = np.array([[[0, 255]]], np.uint8).repeat(4000, axis=1)
    rng = np.random.default_rng(0)
    changed, _ = noise(grey, np.zeros_like(grey), rng, NO_DONORS, std=10.0, probability=1.0)
    assert changed[..., 0].max() < 40
    assert changed[..., 1].min() > 215
    assert (changed[..., 0] == 0).mean() == pytest.approx(0.5, abs=0.05)


def test_normal_levels_are_whole_and_of_the_shape():
    levels = normal_levels(np.random.default_rng(0), (3, 5), 64.0)
    assert levels.shape == (3, 5)
    assert levels.dtype == np.int16
    assert np.abs(levels).max() <= 64 * 2.94


def test_blur_by_hand():
    row = np.array([[[0, 0, 0, 90, 0, 0, 0]]], np.uint8)
    blurred, bits = blur(row, row, FixedGenerator(1.0), NO_DONORS, sigma=0.5)
    # exp(-x^2 / (2 sigma^2)) of 0, 1 and 2: 1, 0.1353, 0.0003, over their sum 1.2713. In 256ths:
    # 202, 27, 0.
    assert blurred[0, 0].tolist() == [0, 0, 9, 71, 9, 0, 0]
    assert bits is row
    assert blur(row, row, FixedGenerator(0.0), NO_DONORS, sigma=0.5)[0][0, 0, 3] > 85  # sigma 1 / 6
