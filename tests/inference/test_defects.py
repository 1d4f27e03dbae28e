import numpy as np
import pytest

from steelexp.inference.defects import find_defects


def mask(*rows):
    return np.array([[char == "#" for char in row] for row in rows])[..., None]


def measured(pixels, scores=None):
    return find_defects(
        pixels, np.ones(pixels.shape, np.float32) if scores is None else scores, ["1"]
    )


def test_one_defect_by_hand():
    pixels = mask(
        "......",
        "..####",
        "......",
    )
    scores = np.where(pixels, 0.5, 0.9).astype(np.float32)
    scores[1, 2] = 1.0
    [found] = measured(pixels, scores)
    assert found._asdict() == {
        "label": "1",
        "component": 1,
        "area": 4,
        "left": 2,
        "top": 1,
        "width": 4,
        "height": 1,
        "centre_x": 4.0,  # the pixels reach from 2 to 6
        "centre_y": 1.5,
        "length": 4.0,
        "breadth": 1.0,
        "orientation": 0.0,
        "mean_score": 0.625,  # (1 + 3 x 0.5) / 4
        "max_score": 1.0,
    }


@pytest.mark.parametrize(
    ("pixels", "orientation"),
    [
        (mask("####"), 0),
        (mask("#", "#", "#"), 90),
        (mask("..#", ".#.", "#.."), 45),
        (mask("#..", ".#.", "..#"), 135),
        (mask("##", "##"), 0),  # neither side is longer
        (mask("#"), 0),
    ],
)
def test_orientation_is_counted_from_the_rows_upwards(pixels, orientation):
    [found] = measured(pixels)
    assert found.orientation == orientation


def test_a_diagonal_line_is_as_long_as_its_pixels_reach():
    [found] = measured(mask("..#", ".#.", "#.."))
    assert (found.length, found.breadth) == (4.24, 1.41)  # 3 and 1 diagonals of a pixel


def test_the_largest_is_first_and_of_equals_the_upper():
    found = measured(
        mask(
            "#..#.",
            ".....",
            ".###.",
            ".....",
            "#....",
        )
    )
    assert [(d.component, d.area, d.left, d.top) for d in found] == [
        (1, 3, 1, 2),
        (2, 1, 0, 0),
        (3, 1, 3, 0),
        (4, 1, 0, 4),
    ]


def test_pixels_that_touch_at_a_corner_are_one_defect():
    assert len(measured(mask("#.", ".#"))) == 1


def test_classes_are_measured_apart_though_they_overlap():
    pixels = np.ones((2, 2, 2), bool)
    pixels[0, :, 1] = False
    found = find_defects(pixels, np.ones((2, 2, 2), np.float32), ["a", "b"])
    assert [(d.label, d.component, d.area) for d in found] == [("a", 1, 4), ("b", 1, 2)]


def test_nothing_decided_no_defect():
    assert measured(np.zeros((3, 3, 1), bool)) == []


def test_scores_of_a_neighbour_in_the_same_box_do_not_count():
    pixels = mask("###", "#..", "#.#")
    scores = np.zeros(pixels.shape, np.float32)
    scores[2, 2] = 1.0
    large, small = measured(pixels, scores)
    assert (large.area, large.max_score) == (5, 0.0)
    assert (small.area, small.max_score) == (1, 1.0)
