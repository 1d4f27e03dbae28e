import numpy as np
import pytest
from PIL import Image

from steelexp.overlays.contact_sheet import choose_images, contact_sheet

PIXELS = np.array([[0, 0], [5, 0], [9, 0], [0, 0], [1, 7], [0, 2], [0, 0]])


def rows(*candidates, count=12):
    return choose_images(PIXELS, np.array(candidates, np.int64), count=count)


def test_most_of_each_class_a_clean_one_and_some_more():
    assert rows(*range(7), count=3) == [0, 2, 4]
    assert rows(*range(7), count=4) == [0, 2, 4, 5]  # of 1, 3, 5, 6 the middle one
    assert rows(*range(7), count=2) == [2, 4]
    assert rows(*range(7)) == [0, 1, 2, 3, 4, 5, 6]


def test_only_candidates_are_chosen():
    assert rows(1, 3, 5, count=3) == [1, 3, 5]
    assert rows(1, 3, 5, count=1) == [1]
    assert rows(3) == [3]


@pytest.mark.parametrize(
    ("size", "count", "columns", "lines"),
    [((1600, 310), 12, 2, 6), ((800, 870), 5, 4, 2), ((1600, 310), 1, 1, 1)],
)
def test_images_stand_two_in_a_row_and_squares_four(tmp_path, size, count, columns, lines):
    paths = [tmp_path / f"{number}.png" for number in range(count)]
    for path in paths:
        Image.new("RGB", size, (0, 0, 0)).save(path)
    sheet = contact_sheet(paths)
    black = ~np.array(sheet).any(axis=2)
    assert sheet.width == 1800
    # From white to black so many times along the row and the column with most of it.
    across, down = black[black.sum(axis=1).argmax()], black[:, black.sum(axis=0).argmax()]
    assert np.count_nonzero(np.diff(across.astype(int)) == 1) == columns
    assert np.count_nonzero(np.diff(down.astype(int)) == 1) == lines
