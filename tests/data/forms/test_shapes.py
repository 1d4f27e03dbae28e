import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_api

from steelexp.data.forms import coco_rle
from steelexp.data.forms.shapes import (
    ShapeError,
    components,
    draw_lines,
    fill_circle,
    fill_polygons,
    fill_rectangle,
    outlines,
    points_of,
)
from steelexp.data.severstal import severstal
from tests.data.forms.write_fixtures import source_masks

MASKS = arrays(bool, st.tuples(st.integers(1, 14), st.integers(1, 14)))


def iou_of_pycocotools(mask):
    """IoU of a mask with its outlines as pycocotools fills them."""
    rings = [ring.ravel().tolist() for ring in outlines(mask)]
    filled = coco_api.decode(coco_api.merge(coco_api.frPyObjects(rings, *mask.shape))) > 0
    return np.count_nonzero(filled & mask) / np.count_nonzero(filled | mask)


def refill(mask):
    """The mask of its own outlines."""
    rings = list(outlines(mask))
    return fill_polygons(rings, mask.shape).paste(mask.shape) if rings else np.zeros_like(mask)


@given(MASKS)
def test_outlines_are_filled_to_the_same_mask(mask):
    np.testing.assert_array_equal(refill(mask), mask)


@given(MASKS)
def test_components_together_are_the_mask(mask):
    parts = [patch.paste(mask.shape) for patch in components(mask)]
    np.testing.assert_array_equal(sum(parts, np.zeros(mask.shape, int)), mask)


@given(MASKS)
def test_run_length_codes_are_those_of_pycocotools(mask):
    code = coco_api.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    assert coco_rle.encode(mask) == code
    np.testing.assert_array_equal(coco_rle.decode(code, mask.shape), mask)
    np.testing.assert_array_equal(
        coco_rle.decode(coco_rle.mask_counts(mask).tolist(), mask.shape), mask
    )


def test_pycocotools_loses_a_line_of_one_pixel():
    mask = source_masks()["a.png"] == 1
    assert iou_of_pycocotools(mask) == 0
    assert refill(mask).tolist() == mask.tolist()


def test_real_defects_keep_every_pixel(realdata):
    dataset = severstal(root=str(realdata / "severstal_sample"))
    masks = [dataset.mask(row) >> c & 1 > 0 for row in range(len(dataset)) for c in range(4)]
    masks = [mask for mask in masks if mask.any()]
    for mask in masks:
        np.testing.assert_array_equal(refill(mask), mask)
    shares = sorted(map(iou_of_pycocotools, masks))
    assert (len(shares), round(shares[0], 2), round(shares[-1], 2)) == (20, 0.79, 0.98)


def test_vertices_go_to_the_nearest_pixel_and_back_into_the_image():
    ring = points_of([-0.9, -0.4, 3, 0.49, 3, 2.6, -0.9, 3])
    assert fill_polygons([ring], (3, 3)).paste((3, 3)).all()
    with pytest.raises(ShapeError, match=r"the point \(3.1, 1\) lies outside of the image"):
        fill_polygons([points_of([0, 0, 3.1, 1, 0, 2])], (3, 3))


def rows(patch):
    """A patch on an image of 3 x 4 pixels, as numbers."""
    return patch.paste((3, 4)).astype(int).tolist()


def test_rectangles_circles_and_lines_by_hand():
    assert rows(fill_rectangle(np.array([[2.0, 1], [1, 0]]), (3, 4))) == [
        [0, 1, 1, 0],
        [0, 1, 1, 0],
        [0, 0, 0, 0],
    ]
    assert rows(fill_circle(np.array([0.0, 1]), 1.5, (3, 4))) == [
        [1, 1, 0, 0],
        [1, 1, 0, 0],
        [1, 1, 0, 0],
    ]
    assert rows(draw_lines(np.array([[0.0, 0], [3, 0], [3, 2]]), 1, (3, 4))) == [
        [1, 1, 1, 1],
        [0, 0, 0, 1],
        [0, 0, 0, 1],
    ]


def test_the_end_of_a_run_length_code_may_not_be_lost():
    code = coco_rle.encode(np.eye(40, dtype=bool))
    with pytest.raises(ShapeError, match=r"RLE: the text is cut short|RLE of \d+ pixels"):
        coco_rle.decode(code[:-1], (40, 40))
