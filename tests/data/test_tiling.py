import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelexp.data.dataset import DataError
from steelexp.data.tiling import (
    TILINGS,
    Tiles,
    columns,
    cover,
    coverage,
    random_crops,
    up_to_32,
    whole_image,
)

SIDES = st.integers(1, 400)
SIZES = st.sampled_from([32, 64, 96, 256])


def rng(seed=0):
    return np.random.default_rng(seed)


def lefts(tiles):
    return tiles.corners[:, 1].tolist()


def test_the_published_six_leave_the_last_64_columns():
    tiles = columns(256, 1600, rng())
    assert tiles.size == (256, 256)
    assert tiles.corners.tolist() == [[0, 0], [0, 256], [0, 512], [0, 768], [0, 1024], [0, 1280]]
    covered = coverage(256, 1600, tiles)
    assert covered[:, :1536].all()
    assert not covered[:, 1536:].any()


def test_columns_of_another_size_and_count():
    tiles = columns(256, 1600, rng(), size=128, count=2)
    assert (tiles.size, tiles.corners.tolist()) == ((128, 128), [[0, 0], [0, 128]])
    assert coverage(256, 1600, tiles).sum() == 128 * 256


def test_wide_tiles_by_hand():
    tiles = columns(256, 1600, rng(), size=[256, 512], count=3)
    assert (tiles.size, tiles.corners.tolist()) == ((256, 512), [[0, 0], [0, 512], [0, 1024]])
    tiles = cover(256, 1600, rng(), size=[128, 512], stride=[64, 480])
    assert tiles.size == (128, 512)
    assert tiles.corners.tolist() == [
        [top, left] for top in (0, 64, 128) for left in (0, 480, 960, 1088)
    ]
    assert cover(256, 1600, rng(), size=[128, 512], stride=64).corners.shape == (3 * 18, 2)


def test_wide_columns_beyond_the_edge_are_refused_with_their_size():
    with pytest.raises(DataError, match=r"^tiling.count: 5 tiles of 256 x 512 pixels .* most 4"):
        columns(256, 1600, rng(), size=[256, 512], count=5)


def test_a_seventh_column_may_reach_over_the_edge():
    assert coverage(256, 1600, columns(256, 1600, rng(), count=7)).all()


@pytest.mark.parametrize(
    ("height", "width", "count", "most"),
    [(200, 200, 6, 1), (256, 1600, 8, 7), (256, 512, 3, 2), (256, 513, 4, 3)],
)
def test_columns_beyond_the_edge_are_refused(height, width, count, most):
    with pytest.raises(DataError) as refused:
        columns(height, width, rng(), count=count)
    assert str(refused.value) == (
        f"tiling.count: {count} tiles of 256 pixels side by side do not fit an image of {height} x "
        f"{width}, whose columns end before tile {most + 1}; set tiling.count to at most {most}, "
        "or take tiling.kind=cover"
    )
    assert len(columns(height, width, rng(), count=most).corners) == most


def test_cover_by_hand_on_severstals_images():
    assert lefts(cover(256, 1600, rng())) == [0, 224, 448, 672, 896, 1120, 1344]
    eight = cover(256, 1600, rng(), stride=192)
    assert lefts(eight) == [0, 192, 384, 576, 768, 960, 1152, 1344]
    assert (eight.corners[:, 0] == 0).all()


def test_the_last_tile_of_a_cover_moves_back_to_the_edge():
    tiles = cover(100, 70, rng(), size=32, stride=32)
    assert tiles.corners.tolist() == [
        [top, left] for top in (0, 32, 64, 68) for left in (0, 32, 38)
    ]


@given(SIDES, SIDES, SIZES, SIZES, st.integers(1, 256))
def test_a_cover_without_gaps_shows_every_pixel_within_the_image(height, width, h, w, stride):
    strides = [max(min(stride, side), side // 4) for side in (h, w)]
    tiles = cover(height, width, rng(), size=[h, w], stride=strides)
    assert tiles.size == (h, w)
    assert coverage(height, width, tiles).all()
    assert (tiles.corners >= 0).all()
    assert (tiles.corners[:, 0] <= max(height - h, 0)).all()
    assert (tiles.corners[:, 1] <= max(width - w, 0)).all()
    assert len(np.unique(tiles.corners, axis=0)) == len(tiles.corners)


def test_a_stride_above_the_size_leaves_gaps_that_are_stated():
    tiles = cover(256, 1600, rng(), stride=500)
    assert lefts(tiles) == [0, 500, 1000, 1344]
    covered = coverage(256, 1600, tiles)
    missed = [*range(256, 500), *range(756, 1000), *range(1256, 1344)]
    assert np.flatnonzero(~covered.any(axis=0)).tolist() == missed
    assert covered.sum() == 256 * (1600 - len(missed))


@pytest.mark.parametrize("tiling", [columns, cover, random_crops])
def test_a_image_smaller_than_the_tile_is_one_tile(tiling):
    count = {} if tiling is cover else {"count": 1}
    tiles = tiling(200, 100, rng(), **count)
    assert (tiles.size, tiles.corners.tolist()) == ((256, 256), [[0, 0]])
    assert coverage(200, 100, tiles).all()


@given(SIDES, SIDES, SIZES, SIZES, st.integers(1, 8), st.integers(0, 99))
def test_random_crops_lie_inside_and_follow_the_seed(height, width, h, w, count, seed):
    tiles, again = (
        random_crops(height, width, rng(seed), size=[h, w], count=count) for _ in range(2)
    )
    assert tiles.size == (h, w)
    np.testing.assert_array_equal(tiles.corners, again.corners)
    assert tiles.corners.shape == (count, 2)
    assert (tiles.corners >= 0).all()
    assert (tiles.corners[:, 0] <= max(height - h, 0)).all()
    assert (tiles.corners[:, 1] <= max(width - w, 0)).all()


def black_left_of(column):
    """The black share of tiles of an image that is black left of a column."""
    return lambda corners, size: np.clip((column - corners[:, 1]) / size[1], 0, 1)


def test_crops_that_are_mostly_black_are_drawn_again():
    settings = {"size": 32, "count": 50}
    plain = random_crops(32, 320, rng(), **settings)
    assert (plain.corners[:, 1] < 160 - 16).any()
    for all_the_same in (
        random_crops(32, 320, rng(), None, **settings, max_black=0.5),
        random_crops(32, 320, rng(), black_left_of(160), **settings),
        random_crops(32, 320, rng(), black_left_of(0), **settings, max_black=0.5),
    ):
        np.testing.assert_array_equal(plain.corners, all_the_same.corners)
    tiles = random_crops(32, 320, rng(), black_left_of(160), **settings, max_black=0.5)
    assert (tiles.corners[:, 1] >= 160 - 16).all()
    kept = plain.corners[:, 1] >= 160 - 16
    np.testing.assert_array_equal(tiles.corners[kept], plain.corners[kept])


def test_after_ten_draws_the_least_black_is_taken():
    draws = []

    def black_shares(corners, size):
        draws.append(corners[:, 1].tolist())
        return 1 - corners[:, 1] / 1000

    tiles = random_crops(32, 500, rng(), black_shares, size=32, count=3, max_black=0.1)
    assert [len(columns_drawn) for columns_drawn in draws] == [3] * 10
    assert lefts(tiles) == [max(column) for column in zip(*draws, strict=True)]


@given(SIDES, SIDES, st.integers(1, 8), st.integers(0, 99), st.floats(0, 1))
def test_crops_drawn_again_lie_inside_and_follow_the_seed(height, width, count, seed, most):
    tiles, again = (
        random_crops(
            height, width, rng(seed), black_left_of(width / 2), size=32, count=count, max_black=most
        )
        for _ in range(2)
    )
    np.testing.assert_array_equal(tiles.corners, again.corners)
    assert tiles.corners.shape == (count, 2)
    assert (tiles.corners >= 0).all()
    assert (tiles.corners <= (max(height - 32, 0), max(width - 32, 0))).all()


def test_random_crops_reach_both_edges_and_differ_by_seed():
    tiles = random_crops(34, 35, rng(), size=32, count=200)
    assert set(tiles.corners[:, 0].tolist()) == {0, 1, 2}
    assert set(tiles.corners[:, 1].tolist()) == {0, 1, 2, 3}
    one, other = (random_crops(256, 1600, rng(seed)).corners.tolist() for seed in (0, 1))
    assert one != other


@pytest.mark.parametrize(
    ("image", "size"),
    [((256, 1600), (256, 1600)), ((200, 200), (224, 224)), ((1, 33), (32, 64))],
)
def test_whole_is_continued_to_a_multiple_of_32(image, size):
    tiles = whole_image(*image, rng())
    assert (tiles.size, tiles.corners.tolist()) == (size, [[0, 0]])
    assert coverage(*image, tiles).all()


def test_up_to_32():
    assert [up_to_32(n) for n in (1, 31, 32, 33, 1600)] == [32, 32, 32, 64, 1600]


def test_coverage_by_hand():
    covered = coverage(2, 4, Tiles((1, 2), np.array([[0, 0], [1, 3]])))
    assert covered.tolist() == [[True, True, False, False], [False, False, False, True]]


def test_names_in_a_spec():
    assert {
        "columns": columns,
        "cover": cover,
        "random_crops": random_crops,
        "whole": whole_image,
    } == TILINGS
