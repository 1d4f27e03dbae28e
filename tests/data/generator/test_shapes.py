import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelexp.data.generator.defects import FAMILIES
from steelexp.data.generator.shapes import Reach, Shape, cut_rows, polygon_area, sample_shape

GEOMETRIES = [family.geometry for family in FAMILIES]


def shape_of(reach, c=2, area=5000.0, seed=0):
    border = {Reach.INSIDE: (0.0, 0.0), Reach.FULL: (1.0, 1.0)}.get(reach, (1.0, 0.0))
    knots = len(GEOMETRIES[c].areas)
    geometry = dataclasses.replace(
        GEOMETRIES[c], border=(border[0],) * knots, full=(border[1],) * knots
    )
    rng = np.random.default_rng(seed)
    while True:
        shape = sample_shape(rng, geometry, area)
        if shape.reach is reach:
            return shape


def test_a_square_is_cut_by_hand():
    square = np.array([[0.0, -2.0], [4.0, -2.0], [4.0, 2.0], [0.0, 2.0]])
    assert polygon_area(cut_rows(square, 9)) == 8  # the half below 0 is gone
    assert polygon_area(cut_rows(square, 1)) == 4
    assert cut_rows(square, 1)[:, 1].max() == 1
    inside = square + np.array([0, 2])
    assert (cut_rows(inside, 4) == inside).all()


def test_a_triangle_is_cut_by_hand():
    triangle = np.array([[0.0, -1.0], [2.0, 1.0], [-2.0, 1.0]])
    trapezium = cut_rows(triangle, 5)
    assert polygon_area(trapezium) == 3  # 4 without the tip of 1
    assert sorted(trapezium[trapezium[:, 1] == 0][:, 0]) == [-1, 1]


@given(st.sampled_from(range(4)), st.floats(150, 60000), st.integers(0, 2**32))
def test_a_label_has_its_area_and_starts_at_row_0(c, area, seed):
    shape = sample_shape(np.random.default_rng(seed), GEOMETRIES[c], area)
    assert polygon_area(shape.label) == pytest.approx(area, rel=0.01)
    assert shape.label[:, 1].min() == pytest.approx(0, abs=1e-6)
    assert shape.label[:, 1].max() <= 255 + 1e-6


@pytest.mark.parametrize("c", range(4))
def test_a_border_cuts_label_and_defect(c):
    for seed in range(5):
        full = shape_of(Reach.FULL, c, 12000.0, seed)
        assert full.label[:, 1].max() == pytest.approx(255)
        upper = shape_of(Reach.TOP, c, 3000.0, seed)
        assert upper.outline[:, 1].min() < 0
        lower = shape_of(Reach.BOTTOM, c, 3000.0, seed)
        assert lower.outline[:, 1].max() > lower.label[:, 1].max()


@pytest.mark.parametrize("c", range(4))
def test_shares_at_the_border_are_those_of_the_geometry(c):
    geometry = GEOMETRIES[c]
    rng = np.random.default_rng(4)
    for area, border, full in zip(geometry.areas, geometry.border, geometry.full, strict=True):
        reaches = [sample_shape(rng, geometry, area).reach for _ in range(300)]
        touching = np.mean([reach is not Reach.INSIDE for reach in reaches])
        assert touching == pytest.approx(border, abs=0.1)  # three standard deviations at most
        assert np.mean([reach is Reach.FULL for reach in reaches]) == pytest.approx(full, abs=0.1)


def test_a_shape_through_the_full_height_only_becomes_narrower():
    square = np.array([[0.0, 0.0], [100.0, 0.0], [100.0, 255.0], [0.0, 255.0]])
    assert Shape(Reach.FULL, square, square).shrink(0.5).label[2].tolist() == [50, 255]
    assert Shape(Reach.TOP, square, square).shrink(0.5).label[2].tolist() == [50, 127.5]
