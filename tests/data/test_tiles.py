import functools

import numpy as np
import pytest

from steelexp.data import tiles
from steelexp.data.dataset import DataError
from steelexp.data.tiling import columns, random_crops, whole_image
from tests.fakes import synthetic_dataset, tiny_tiling


def test_tile_table_by_hand():
    dataset = synthetic_dataset(*[(3, 4)] * 4)
    table, size = tiles.tile_table(dataset, np.array([3, 1]), tiny_tiling, seed=0)
    assert size == (2, 3)
    assert table.tolist() == [[3, 0, 0], [3, 1, 2], [1, 0, 0], [1, 1, 2]]


def test_random_tiles_are_drawn_by_seed_epoch_and_image():
    dataset = synthetic_dataset(*[(256, 1600)] * 3)

    def table(rows, seed, epoch):
        return tiles.tile_table(dataset, np.array(rows), random_crops, seed=seed, epoch=epoch)[
            0
        ].tolist()

    assert table([0, 2], 5, 1) == table([0], 5, 1) + table([2], 5, 1)
    assert table([0], 5, 1) == table([0], 5, 1)
    corners = [table(*key) for key in (([0], 5, 1), ([1], 5, 1), ([0], 6, 1), ([0], 5, 2))]
    assert len({str(np.array(tiles)[:, 1:]) for tiles in corners}) == 4


def test_black_crops_of_images_are_drawn_again():
    dataset = synthetic_dataset((64, 640), (64, 640))
    strip = np.full((64, 640), 120, np.uint8)
    strip[:, :400] = 5  # beyond the sheet
    strip[20:24, 500:504] = 0  # too small for the edge of a sheet
    object.__setattr__(dataset, "image", lambda row: strip if row else strip[:, ::-1])

    def lefts(**settings):
        tiling = functools.partial(random_crops, size=64, count=40, **settings)
        table, _ = tiles.tile_table(dataset, np.arange(2), tiling, seed=0, epoch=1)
        return table[:40, 2], table[40:, 2]

    first, second = lefts()
    assert first.max() > 300
    assert second.min() < 300
    first, second = lefts(max_black=0.5)
    assert first.max() <= 640 - 400 - 32  # half of the tile is steel
    assert second.min() >= 400 - 32


def test_tiles_of_several_sizes_are_refused():
    dataset = synthetic_dataset((200, 200), (256, 1600))
    with pytest.raises(DataError, match="images of several sizes give tiles of several sizes"):
        tiles.tile_table(dataset, np.arange(2), whole_image, seed=0)


def test_columns_that_do_not_fit_are_refused():
    dataset = synthetic_dataset((256, 1600), (200, 200))
    with pytest.raises(DataError, match=r"^tiling\.count: 6 tiles of 256 pixels"):
        tiles.tile_table(dataset, np.arange(2), columns, seed=0)


def test_labelled_pixels_of_tiles_by_hand():
    dataset = synthetic_dataset((3, 4), (3, 4))
    object.__setattr__(dataset, "classes", ("1", "2"))
    masks = [[[1, 0, 2, 2], [1, 0, 0, 3], [0, 0, 0, 2]], [[0, 0, 0, 0], [0, 2, 0, 0], [0, 0, 0, 0]]]
    object.__setattr__(dataset, "read_mask", lambda image: np.array(masks[image], np.uint8))
    object.__setattr__(dataset, "pixels", np.array([[3, 4], [0, 1]]))
    table = np.array([[0, 0, 0], [0, 1, 2], [1, 0, 0], [1, 1, 2]])  # the second reaches over
    pixels = tiles.tile_pixels(dataset, table, (2, 3))
    assert pixels.tolist() == [[2, 1], [1, 2], [0, 1], [0, 0]]
