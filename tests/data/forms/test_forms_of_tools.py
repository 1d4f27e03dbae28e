"""Sets that the tools of the forms wrote (write_fixtures.py) are read as their source's masks."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from steelexp.data.forms.coco import coco
from steelexp.data.forms.labelme import labelme
from steelexp.data.forms.supervisely import supervisely
from steelexp.data.forms.yolo_seg import yolo_seg

FIXTURES = Path(__file__).parent / "fixtures"
CLASSES = ("scratch", "patch")


def expected_values(name, folder="source/masks"):
    return np.asarray(Image.open(FIXTURES / folder / Path(name).name))


def assert_shows(dataset, expected=expected_values, filled_holes=()):
    """Every mask is the source's, to the pixel; holes of some images are filled."""
    assert dataset.classes == CLASSES
    assert [Path(name).name for name in dataset.names] == ["a.png", "b.png", "clean.png"]
    for row, name in enumerate(dataset.names):
        values = expected(name)
        bits = dataset.mask(row)
        for number in (1, 2):
            mask = bits >> (number - 1) & 1 > 0
            if Path(name).name in filled_holes and number == 2:
                y, x = np.ogrid[: mask.shape[0], : mask.shape[1]]
                hole = ((x - 18) ** 2 + (y - 20) ** 2 <= 49) & (values == 0)
                assert np.count_nonzero(hole) == 81
                np.testing.assert_array_equal(mask, (values == number) | hole)
            else:
                np.testing.assert_array_equal(mask, values == number)


def test_pycocotools_writes_both_kinds_of_run_length_codes():
    dataset = coco(root=str(FIXTURES / "pycocotools"))
    assert_shows(dataset)
    assert dataset.names[0] == "camera 1/a.png"
    assert dataset.labelled == [True, True, False]


def test_datumaro_writes_polygons_which_cannot_have_holes():
    assert_shows(coco(root=str(FIXTURES / "datumaro")), filled_holes=["b.png"])


def test_ultralytics_writes_polygons_of_the_outer_borders():
    assert_shows(yolo_seg(root=str(FIXTURES / "ultralytics")), filled_holes=["b.png"])


def test_the_sdk_of_supervisely_writes_bitmaps_and_polygons_with_holes():
    """It takes the outline of a hole out of the mask, and OpenCV's outline is part of the mask."""
    dataset = supervisely(root=str(FIXTURES / "supervisely"))
    assert dataset.names == ("train/a.png", "train/b.png", "train/clean.png")
    assert_shows(dataset, lambda name: expected_values(name, "supervisely_expected"))
    lost = expected_values("b.png") != expected_values("b.png", "supervisely_expected")
    assert np.count_nonzero(lost) == 32
    assert expected_values("a.png").tolist() == (
        expected_values("a.png", "supervisely_expected").tolist()
    )


def test_labelme_writes_masks_and_shapes():
    dataset = labelme(root=str(FIXTURES / "labelme"), classes=CLASSES)
    assert dataset.names == ("a.png", "b.png", "clean.png")
    for row in (0, 1):
        bits = np.array([0, 1, 2], np.uint8)[expected_values(dataset.names[row])]
        np.testing.assert_array_equal(dataset.mask(row), bits)


def test_shapes_of_labelme_lie_within_a_pixel_of_its_own_filling():
    """Polygons of whole numbers are equal; Pillow rounds other vertices down along slopes."""
    dataset = labelme(root=str(FIXTURES / "labelme"), classes=CLASSES)
    bits = dataset.mask(2)
    expected = expected_values("clean.png", "labelme_expected")
    np.testing.assert_array_equal(bits == 1, expected == 1)
    ours = (bits == 2).astype(np.uint8)
    theirs = (expected == 2).astype(np.uint8)
    square = np.ones((3, 3), np.uint8)
    assert not (ours & ~cv2.dilate(theirs, square)).any()
    assert not (cv2.erode(theirs, square) & ~ours).any()
    assert np.count_nonzero(ours != theirs) == 54  # of 684
