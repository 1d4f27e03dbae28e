import numpy as np
import pytest

from steelexp.data.augment.copy_paste import copy_paste
from steelexp.data.augment.donors import Donors
from steelexp.data.dataset import DataError

CLASSES = ("1", "2", "3")


def donors_of(grey, bits, number=1):
    """Donors that hold one class, in one tile."""
    return Donors(CLASSES, lambda rng, asked: (grey, bits) if asked == number else None)


def donor(size=64, top=20, left=30, height=6, width=10, level=60):
    """A dark defect of class 2 in flat steel; its left half is darker."""
    grey = np.full((size, size), level, np.uint8)
    bits = np.zeros_like(grey)
    grey[top : top + height, left : left + width] = level // 3
    grey[top : top + height, left : left + width // 2] = level // 6
    bits[top : top + height, left : left + width] = 2
    return grey, bits


def clean(count=1, size=64, level=120):
    grey = np.full((count, size, size), level, np.uint8)
    return grey, np.zeros_like(grey)


def pasted(grey, bits, donors, seed=0, **settings):
    rng = np.random.default_rng(seed)
    settings = {"classes": ("2",), "probability": 1.0} | settings
    return copy_paste(grey, bits, rng, donors, **settings)


def box(plane):
    rows, columns = np.nonzero(plane)
    return rows.min(), rows.max() + 1, columns.min(), columns.max() + 1


def test_pixels_and_label_come_to_one_place_and_the_rest_stays():
    grey, bits = clean(20)
    changed, labels = pasted(grey, bits, donors_of(*donor()), border=4)
    places = set()
    for tile, marked in zip(changed, labels, strict=True):
        top, bottom, left, right = box(marked)
        assert (bottom - top, right - left) == (6, 10)
        assert (marked[top:bottom, left:right] == 2).all()
        inside = tile[top:bottom, left:right]
        # 60 / 6 and 60 / 3, twice as bright on steel of 120 as on the donor's of 60
        assert sorted(np.unique(inside).tolist()) == [20, 40]
        tile[top:bottom, left:right] = 120
        assert (tile == 120).all()  # the border is steel on steel: no seam
        places.add((top, left))
    assert len(places) > 15


def test_defects_are_mirrored_at_random_and_not_turned():
    grey, bits = clean(100)
    tile, marks = donor()
    tile[20:23, 30:40] += 5  # its upper half is brighter
    changed, labels = pasted(grey, bits, donors_of(tile, marks))
    orientations = []
    for image, marked in zip(changed.astype(int), labels, strict=True):
        top, bottom, left, right = box(marked)
        inside = image[top:bottom, left:right]
        assert inside.shape == (6, 10)
        orientations.append((inside[0, 0] > inside[-1, 0], inside[0, 0] > inside[0, -1]))
    assert len(set(orientations)) == 4
    assert sum(upright for upright, _ in orientations) == pytest.approx(50, abs=20)
    assert sum(sideways for _, sideways in orientations) == pytest.approx(50, abs=20)


def test_a_pasted_label_replaces_what_is_below_and_only_that():
    grey, bits = clean(10)
    bits[:] = 4
    _, labels = pasted(grey, bits, donors_of(*donor()))
    assert set(np.unique(labels)) == {2, 4}  # a pixel has one class
    assert (np.count_nonzero(labels == 2, axis=(1, 2)) == 60).all()


def test_only_the_chosen_component_is_brought_along():
    tile, marks = donor()
    tile[28:34, 30:40], marks[28:34, 30:40] = 250, 1  # a neighbour of another class, two rows below
    grey, bits = clean(20)
    changed, labels = pasted(grey, bits, donors_of(tile, marks), border=8)
    assert set(np.unique(labels)) == {0, 2}
    assert changed.max() == 120


def test_the_steel_around_fades_out_over_the_border():
    tile, marks = donor()
    tile[marks == 0] += np.uint8(10)  # columns of 50 and 70 by turns: 100 and 140 when pasted
    tile[:, ::2] -= np.uint8(20) * (marks[:, ::2] == 0)
    grey, bits = clean(8)
    changed, labels = pasted(grey, bits, donors_of(tile, marks), border=4)
    for image, marked in zip(changed.astype(int), labels, strict=True):
        top, _, left, right = box(marked)
        row = np.abs(image[top + 3] - 120)
        assert row[max(left - 5, 0) : left].tolist() == pytest.approx([0, 0, 5, 10, 15], abs=1)
        assert row[right : right + 5].tolist() == pytest.approx([15, 10, 5, 0, 0], abs=1)


def test_never_onto_black_nor_with_black():
    tile, marks = donor(left=12)
    tile[:, :10] = 3  # the donor's sheet ends two pixels beside the defect
    grey, bits = clean(40)
    grey[:, :, :30] = 3
    changed, labels = pasted(grey, bits, donors_of(tile, marks), border=8)
    assert not labels[:, :, :30].any()
    assert (changed[:, :, :30] == 3).all()
    around = changed[:, :, 34:].copy()
    around[labels[:, :, 34:] > 0] = 120
    assert around.min() > 90
    assert (np.count_nonzero(labels, axis=(1, 2)) == 60).any()


def test_where_there_is_no_room_beside_the_black_a_tile_is_left_alone():
    grey, bits = clean(10)
    grey[:, :, 12:] = 3
    changed, labels = pasted(grey, bits, donors_of(*donor()))
    assert (changed == grey).all()
    assert not labels.any()


@pytest.mark.parametrize(("top", "left"), [(0, 30), (58, 30), (20, 0), (20, 54), (3, 30)])
def test_what_ran_off_its_tile_runs_off_this_one(top, left):
    grey, bits = clean(40)
    _, labels = pasted(grey, bits, donors_of(*donor(top=top, left=left)), border=4)
    boxes = np.array([box(marked) for marked in labels])  # [B, 4]
    upright = top in (0, 3, 58)
    ends = boxes[:, :2] if upright else boxes[:, 2:]
    gap = 3 if top == 3 else 0
    assert ((ends[:, 0] == gap) | (ends[:, 1] == 64 - gap)).all()
    assert len(np.unique(ends[:, 0])) == 2  # mirrored, it is at the other side
    assert len(np.unique(boxes[:, 2 if upright else 0])) > 10  # along the side it lies anywhere


def test_a_defect_as_large_as_the_tile():
    grey, bits = clean()
    everywhere = np.full((64, 64), 77, np.uint8), np.full((64, 64), 2, np.uint8)
    changed, labels = pasted(grey, bits, donors_of(*everywhere))
    assert (changed == 77).all()
    assert (labels == 2).all()


def test_brightness_follows_the_light_of_the_tile():
    tile, marks = donor(size=256, top=10, height=236, left=127, width=2)
    grey, bits = clean(5, size=256)
    grey[:, :128] = 60  # the upper half is as dark as the donor
    changed, labels = pasted(grey, bits, donors_of(tile, marks))
    for image, marked in zip(changed, labels, strict=True):
        top, bottom, left, right = box(marked)
        defect = image[top:bottom, left:right].astype(float).mean(axis=1)
        assert defect[:60] == pytest.approx(15, abs=1)  # 10 beside 20, as on the donor
        assert defect[-60:] == pytest.approx(30, abs=1)


def test_rare_classes_are_drawn_equally_often():
    asked = []
    donors = Donors(CLASSES, lambda rng, number: asked.append(number))
    grey, bits = clean(300, size=32)
    changed, _ = pasted(grey, bits, donors, classes=("1", "3"))
    assert (changed == grey).all()  # there is no donor
    assert asked.count(0) == pytest.approx(150, abs=35)
    assert asked.count(0) + asked.count(2) == 300


@pytest.mark.parametrize("count", [0, 1])
def test_unknown_classes_are_refused_whatever_is_drawn(count):
    grey, bits = clean(count)
    with pytest.raises(DataError, match=r"augment\.copy_paste\.classes: 5: .*allowed: 1, 2, 3"):
        pasted(grey, bits, donors_of(*donor()), classes=("2", "5"), probability=0.0)
