import cv2
import numpy as np
import pytest

from steelexp.data.generator.defects import generate_defects
from steelexp.data.generator.steel import Sheet

AREAS = [1.06, 0.82, 6.22, 8.39]  # percent of the strip where present, as Severstal's
COUNTS = [3.4, 1.3, 2.8, 2.4]
# Shares of 4,249 components of 1,630 real rows: at the upper or lower border, at both.
BORDER = [0.18, 0.70, 0.54, 0.39]
FULL = [0.02, 0.13, 0.18, 0.03]


def flat_sheet(left=0, right=1600):
    return Sheet(np.full((256, 1600), 120, np.float32), left, right)


def defects_on(seed, classes, sheet):
    return generate_defects(np.random.default_rng(seed), sheet, classes)


@pytest.mark.parametrize("c", range(4))
def test_labels_are_as_large_and_as_loose_as_severstals(c):
    areas, counts, dices = [], [], []
    for seed in range(30):
        truth, labels = defects_on([7, seed], (c,), flat_sheet())
        assert set(np.unique(labels)) == {0, 1 << c}
        both = ((truth > 0) & (labels > 0)).sum()
        dices.append(2 * both / ((truth > 0).sum() + (labels > 0).sum()))
        areas.append((labels > 0).mean() * 100)
        counts.append(cv2.connectedComponents(labels)[0] - 1)
    assert np.mean(areas) == pytest.approx(AREAS[c], rel=0.35)
    assert np.mean(counts) == pytest.approx(COUNTS[c], rel=0.35)
    assert np.mean(dices) == pytest.approx(0.86, abs=0.03)
    assert min(dices) > 0.7


def test_a_pixel_has_one_class_and_none_where_it_is_black():
    for seed in range(10):
        truth, labels = defects_on(seed, (0, 1, 2, 3), flat_sheet(300, 1300))
        assert set(np.unique(labels)) == {0, 1, 2, 4, 8}  # all four, never two bits
        assert not labels[:, :300].any()
        assert not labels[:, 1300:].any()
        assert truth.any()


def test_components_keep_apart_whatever_their_class():
    for seed in range(10):
        _, labels = defects_on(seed, (0, 2, 3), flat_sheet())
        components = sum(cv2.connectedComponents(labels & bit)[0] - 1 for bit in (1, 4, 8))
        grown = cv2.dilate(labels, np.ones((4, 4), np.uint8))
        assert cv2.connectedComponents(grown)[0] - 1 == components


@pytest.mark.parametrize("c", range(4))
def test_a_defect_stands_out_although_its_label_is_mostly_as_bright_as_the_steel(c):
    altered, outside, brightness = [], [], []
    for seed in range(20):
        sheet = flat_sheet()
        _, labels = defects_on([9, seed], (c,), sheet)
        change = np.abs(sheet.grey - 120) > 15
        altered.append(change[labels > 0].mean())
        outside.append(change[labels == 0].sum() / change.sum())
        brightness.append(sheet.grey[labels > 0].mean() / 120)
    assert min(altered) > 0.01
    assert np.mean(altered) > 0.08
    assert np.mean(outside) < 0.2  # the steel around a peeled patch is rough too
    assert 0.88 < np.mean(brightness) < 1.06


@pytest.mark.parametrize("c", range(4))
def test_components_touch_the_borders_as_often_as_severstals(c):
    heights, borders = [], []
    for seed in range(60):
        _, labels = defects_on([11, seed], (c,), flat_sheet())
        boxes = cv2.connectedComponentsWithStats(labels)[2][1:]
        heights += [height for _, _, _, height, _ in boxes]
        borders += [top == 0 or top + height == 256 for _, top, _, height, _ in boxes]
    assert np.mean(borders) == pytest.approx(BORDER[c], abs=0.1)
    assert np.mean(np.array(heights) == 256) == pytest.approx(FULL[c], abs=0.06)


def test_no_classes_leave_the_sheet_as_it_was():
    sheet = flat_sheet()
    truth, labels = defects_on(0, (), sheet)
    assert not truth.any()
    assert not labels.any()
    assert (sheet.grey == 120).all()


def test_a_component_that_fits_nowhere_is_shrunk():
    _, labels = defects_on(3, (3,), flat_sheet(800, 840))
    assert labels[:, 800:840].any()
    assert not labels[:, :800].any()


def test_where_there_is_no_room_a_component_is_left_out():
    truth, labels = defects_on(0, (0, 1, 2, 3), flat_sheet(800, 803))
    assert not truth.any()
    assert not labels.any()
