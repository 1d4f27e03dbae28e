import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelexp.data.augment import deformation
from steelexp.data.augment.deformation import (
    elastic,
    grid_distortion,
    read_at,
    rotation,
    scale,
)
from steelexp.data.augment.donors import Donors
from steelexp.data.dataset import DataError

NO_DONORS = Donors(("1",), lambda rng, number: None)
SQUARE = np.arange(1, 10, dtype=np.uint8).reshape(1, 3, 3)


class FixedGenerator:
    """A generator whose uniform numbers are at fixed shares of their range."""

    def __init__(self, share):
        self.share = np.asarray(share, float)

    def uniform(self, low, high, shape):
        return np.broadcast_to(low + self.share * (high - low), shape)

    def random(self, count):
        return np.zeros(count)


def places(height, width):
    return np.mgrid[0:height, 0:width].astype(float)


@pytest.mark.parametrize("word", [np.uint8, np.uint16, np.uint32])
def test_reading_by_hand(word):
    image = np.array([[0, 10, 20], [30, 40, 50]], np.uint8)
    bits = np.array([[1, 2, 4], [0, 0, 2]], word) << (8 * (np.dtype(word).itemsize - 1))
    rows, columns = places(2, 3)
    same = read_at(image, bits, rows, columns)
    np.testing.assert_array_equal(same[0], image)
    np.testing.assert_array_equal(same[1], bits)
    assert same[1].dtype == word
    between = read_at(image, bits, rows, columns + 0.25)
    assert between[0].tolist() == [[3, 13, 18], [33, 43, 48]]  # 20 + 0.25 (10 - 20), reflected
    np.testing.assert_array_equal(between[1], bits)
    right = read_at(image, bits, rows, columns + 0.75)[1]
    np.testing.assert_array_equal(right, bits[:, [1, 2, 1]])
    down = read_at(image, bits, rows + 0.5, columns)[0]
    assert down.tolist() == [[15, 25, 35], [15, 25, 35]]


@pytest.mark.parametrize(("share", "turns"), [(1.0, -1), (0.0, 1), (0.5, 0)])
def test_a_quarter_turn_by_hand(share, turns):
    turned, bits = rotation(SQUARE, SQUARE + 10, FixedGenerator(share), NO_DONORS, degrees=90.0)
    np.testing.assert_array_equal(turned[0], np.rot90(SQUARE[0], turns))
    np.testing.assert_array_equal(bits, turned + 10)


def test_a_wide_tile_turns_about_its_middle_and_is_reflected():
    row = np.array([[[1, 2, 3, 4, 5]]], np.uint8)
    turned, _ = rotation(row, row, FixedGenerator(1.0), NO_DONORS, degrees=180.0)
    assert turned[0].tolist() == [[5, 4, 3, 2, 1]]


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (1.0, [20, 25, 30, 35, 40]),  # twice as large: read at 1, 1.5, 2, 2.5, 3
        (0.5, [10, 20, 30, 40, 50]),
        (0.0, [30, 10, 30, 50, 30]),  # half as large: read at -2, 0, 2, 4, 6
    ],
)
def test_scale_by_hand(share, expected):
    row = np.array([[[10, 20, 30, 40, 50]]], np.uint8)
    nearly_one = 1.0 - 1e-9  # the largest amount
    larger, _ = scale(row, row, FixedGenerator(share), NO_DONORS, amount=nearly_one)
    assert larger[0].tolist() == [expected]


@pytest.mark.parametrize(
    ("bands", "expected"),
    [
        # The first band has 3 / 4 of the width: pixel 2 of 0 to 4 is read at 2 / 3 of the first.
        ([[0.5, 0.5], [1.0, 0.0]], [10, 17, 23, 30, 50]),
        ([[0.5, 0.5], [0.3, 0.3]], [10, 20, 30, 40, 50]),
    ],
)
def test_grid_distortion_by_hand(bands, expected):
    row = np.array([[10, 20, 30, 40, 50]], np.uint8).repeat(3, axis=0)[None]
    generator = FixedGenerator(bands)
    changed, _ = grid_distortion(row, row, generator, NO_DONORS, cells=2, amount=0.5)
    assert changed[0].tolist() == [expected] * 3


@given(st.integers(0, 2**32), st.integers(2, 90), st.integers(2, 90), st.integers(2, 9))
def test_a_grid_distortion_leaves_the_corners(seed, height, width, cells):
    grey = np.random.default_rng(seed).integers(0, 256, (2, height, width), np.uint8)
    changed, bits = grid_distortion(
        grey, grey, np.random.default_rng(seed), NO_DONORS, cells=cells, amount=0.9, probability=1.0
    )
    for plane in (changed, bits):
        np.testing.assert_array_equal(
            plane[:, [0, 0, -1, -1], [0, -1, 0, -1]], grey[:, [0, 0, -1, -1], [0, -1, 0, -1]]
        )


@pytest.mark.parametrize("length", [1, 32, 33, 96])
@pytest.mark.parametrize("spacing", [1, 16, 32, 200])
def test_spline_weights_are_positive_and_sum_to_one(length, spacing):
    weights = deformation._spline_weights(length, spacing)
    assert len(weights) == length
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(weights[0, :4], [1 / 6, 2 / 3, 1 / 6, 0], atol=1e-12)


@given(st.integers(0, 2**32), st.integers(8, 64), st.integers(1, 80), st.integers(1, 80))
def test_an_elastic_deformation_folds_nothing_over(seed, spacing, height, width):
    """Neighbours keep their order in both directions, at the largest displacement."""
    limit = 0.48 * spacing
    moves = np.random.default_rng(seed).choice([-limit, limit], (2, 100, 100))
    rows = deformation._spline_weights(height, spacing)
    columns = deformation._spline_weights(width, spacing)
    down, right = rows @ moves[:, : rows.shape[1], : columns.shape[1]] @ columns.T
    assert abs(down).max() <= limit + 1e-9
    assert (np.diff(np.arange(height)[:, None] + down, axis=0) > 0).all()
    assert (np.diff(np.arange(width) + right, axis=1) > 0).all()


def test_an_elastic_deformation_that_moves_all_alike_is_a_shift():
    grey = np.random.default_rng(0).integers(0, 256, (1, 40, 50), np.uint8)
    changed, bits = elastic(grey, grey, FixedGenerator(1.0), NO_DONORS, pixels=3.0, spacing=16)
    np.testing.assert_array_equal(changed[0, :-3, :-3], grey[0, 3:, 3:])
    np.testing.assert_array_equal(bits, changed)


@pytest.mark.parametrize("count", [0, 1])
def test_a_deformation_that_could_fold_is_refused_whatever_is_drawn(count):
    grey = np.zeros((count, 32, 32), np.uint8)
    rng = np.random.default_rng(0)
    elastic(grey, grey, rng, NO_DONORS, pixels=4.8, spacing=10)
    with pytest.raises(
        DataError,
        match=r"augment\.elastic\.pixels: 5 .* at most 4\.8, or the spacing to at least 11",
    ):
        elastic(grey, grey, rng, NO_DONORS, pixels=5.0, spacing=10, probability=0.0)


@pytest.mark.parametrize("change", [rotation, scale, elastic, grid_distortion])
@given(seed=st.integers(0, 2**32), height=st.integers(1, 70), width=st.integers(1, 70))
def test_image_and_mask_move_together(change, seed, height, width):
    draw = np.random.default_rng(seed)
    bits = draw.integers(0, 2, (3, -(-height // 8), -(-width // 8)), np.uint8)
    bits = bits.repeat(8, axis=1).repeat(8, axis=2)[:, :height, :width]
    grey = 255 * bits
    image, mask = change(grey, bits, draw, NO_DONORS, probability=1.0)
    assert mask[image == 255].all()
    assert not mask[image == 0].any()
    assert set(np.unique(mask)) <= {0, 1}


@pytest.mark.parametrize("change", [rotation, scale, elastic, grid_distortion])
def test_the_result_does_not_depend_on_the_instruction_set(change):
    grey = np.random.default_rng(0).integers(0, 256, (2, 96, 160), np.uint8)
    results = []
    for optimized in (True, False):
        cv2.setUseOptimized(optimized)
        results.append(change(grey, grey, np.random.default_rng(1), NO_DONORS, probability=1.0))
    cv2.setUseOptimized(True)
    for fast, plain in zip(*results, strict=True):
        np.testing.assert_array_equal(fast, plain)
