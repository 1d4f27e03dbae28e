import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelexp.data.dataset import DataError
from steelexp.data.tiling import Tiles, coverage, grid
from steelexp.inference.windows import (
    cut_windows,
    gaussian,
    published_windows,
    sliding_windows,
    stitch,
)

SIDES = st.integers(1, 70)


@settings(max_examples=40, deadline=None)
@given(SIDES, SIDES, st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_cut_then_stitched_is_the_same_where_covered(height, width, down, across, seed):
    draw = np.random.default_rng(seed)
    image = draw.integers(0, 256, (height, width)).astype(np.uint8)
    regular = grid(height, width, (down, across), (max(down // 2, 1), max(across * 2 // 3, 1)))
    anywhere = Tiles((down, across), draw.integers(0, (height, width), (5, 2)))
    for tiles in (regular, anywhere):
        covered = coverage(height, width, tiles)
        weights = gaussian(tiles.size)
        again = stitch(cut_windows(image, tiles), tiles, weights, height=height, width=width)
        np.testing.assert_allclose(again[covered], image[covered], rtol=1e-5)
        assert not again[~covered].any()
    assert coverage(height, width, regular).all()


def test_where_windows_overlap_the_mean_is_weighted():
    tiles = Tiles((1, 3), np.array([[0, 0], [0, 2]]))
    pieces = np.array([[[[3.0], [3.0], [3.0]]], [[[6.0], [6.0], [6.0]]]])  # [2, 1, 3, 1]
    weights = np.array([[1.0, 2.0, 1.0]], np.float32)
    stitched = stitch(pieces, tiles, weights, height=1, width=6)
    assert stitched[..., 0].tolist() == [[3, 3, 4.5, 6, 6, 0]]


def test_weights_fall_from_the_middle_and_are_never_zero():
    weights = gaussian((8, 256))
    assert weights.shape == (8, 256)
    assert weights.max() == 1
    assert weights.min() > 0
    assert weights[4, 128] / weights[4, 128 + 32] == pytest.approx(np.exp(0.5), rel=0.02)  # sigma
    np.testing.assert_allclose(weights, weights[::-1, ::-1])


def test_windows_overlap_by_half():
    tiles, weights = sliding_windows((256, 256))(256, 1600)
    assert weights.shape == tiles.size == (256, 256)
    assert tiles.corners[:3].tolist() == [[0, 0], [0, 128], [0, 256]]
    assert tiles.corners[-1].tolist() == [0, 1344]


def test_the_published_tiles_leave_the_last_columns_out():
    tiles, weights = published_windows(256, 1600)
    covered = coverage(256, 1600, tiles)
    assert len(tiles.corners) == 6
    assert covered[:, :1536].all()
    assert not covered[:, 1536:].any()
    assert (weights == 1).all()
    with pytest.raises(
        DataError, match=r"--inference published: .* 200 x 200; take --inference sliding"
    ):
        published_windows(200, 200)
