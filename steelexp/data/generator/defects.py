"""Synthetic defects of four families, placed and painted on a sheet.

The families imitate Severstal's classes: 1 pits, 2 cracks, 3 scratches, 4 peeled patches. The
module `prevalence` gives number and area of the defects, `shapes` their outlines and labels, and
`painting` their appearance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from steelexp.data.generator.noise import HEIGHT, WIDTH, Grey, smooth_noise
from steelexp.data.generator.painting import (
    Painter,
    paint_crack,
    paint_peeled,
    paint_pits,
    paint_scratches,
)
from steelexp.data.generator.prevalence import sample_component_areas
from steelexp.data.generator.shapes import (
    Geometry,
    Points,
    Reach,
    Shape,
    polygon_area,
    sample_shape,
)
from steelexp.data.generator.steel import Sheet

_LABEL_MARGIN = 5  # free pixels around a label, so that components never touch
_SMALLEST = 60.0  # minimum area of a component in labelled pixels


@dataclass(frozen=True)
class Family:
    """Shape and appearance of the defects of a class.

    Attributes:
        geometry: Shape of outline and label.
        paint: Painter of a component.
        margin: Pixels around the outline that the painter may change.
    """

    geometry: Geometry
    paint: Painter
    margin: int


def generate_defects(
    rng: np.random.Generator, sheet: Sheet, classes: Sequence[int]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Paint defects of some classes on a sheet.

    Args:
        rng: Random generator.
        sheet: Sheet; its grey values are changed in place.
        classes: Class numbers from 0, each at most once.

    Returns:
        True masks and an annotator's labels, [H, W] uint8 each, bit c set where class c is. Labels
        do not overlap and are not on black.
    """
    truth = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    occupied = np.ones((HEIGHT, WIDTH), np.uint8)
    occupied[:, sheet.left : sheet.right] = 0
    max_area = 0.5 * HEIGHT * (sheet.right - sheet.left)
    components = [(area, c) for c in classes for area in sample_component_areas(rng, c, max_area)]
    for area, c in sorted(components, reverse=True):  # the largest first
        places = _fit_shape(rng, occupied, sample_shape(rng, FAMILIES[c].geometry, area))
        if places is None:
            continue
        outline, label = places
        _add_component(rng, sheet.grey, truth, outline, c)
        cv2.fillPoly(labels, [np.rint(label).astype(np.int32)], 1 << c)
        left, top = np.maximum(np.rint(label.min(axis=0)).astype(int) - _LABEL_MARGIN, 0)
        right, bottom = np.rint(label.max(axis=0)).astype(int) + _LABEL_MARGIN
        occupied[top:bottom, left:right] = 1
    return truth, labels


def _fit_shape(
    rng: np.random.Generator, occupied: npt.NDArray[np.uint8], shape: Shape
) -> tuple[Points, Points] | None:
    """Outline and label at a random free position; None if there is no room.

    The shape shrinks by a tenth until it fits.
    """
    sums = cv2.integral(occupied)  # [H + 1, W + 1]
    while polygon_area(shape.label) > _SMALLEST:
        corner = shape.label.min(axis=0)
        extent = shape.label.max(axis=0) - corner
        width, height = np.ceil(extent).astype(int) + 1
        if height <= HEIGHT and width <= WIDTH:
            rows = _free_rows(shape.reach, height)
            below = sums[rows.start + height : rows.stop + height]
            above = sums[rows.start : rows.stop]
            count = below - above  # occupied pixels from the first column on, [rows, W + 1]
            overlap = count[:, width:] - count[:, :-width]
            free = np.flatnonzero(overlap == 0)
            if free.size:
                row, left = divmod(int(rng.choice(free)), overlap.shape[1])
                top = HEIGHT - 1 - extent[1] if shape.reach is Reach.BOTTOM else rows.start + row
                move = np.array([left, top]) - corner
                return shape.outline + move, shape.label + move
        shape = shape.shrink(0.9)
    return None


def _free_rows(reach: Reach, height: int) -> slice:
    """First rows that a component of this height may have."""
    last = HEIGHT - height
    if reach is Reach.INSIDE:
        return slice(1, max(last, 2))
    first = last if reach is Reach.BOTTOM else 0
    return slice(first, first + 1)


def _add_component(
    rng: np.random.Generator, grey: Grey, truth: npt.NDArray[np.uint8], outline: Points, c: int
) -> None:
    """Roughen the outline, then paint the component on `grey` and `truth` in place."""
    pad = FAMILIES[c].margin
    x0, y0 = np.maximum(np.floor(outline.min(axis=0)).astype(int) - pad, 0)
    x1, y1 = np.minimum(np.ceil(outline.max(axis=0)).astype(int) + pad, (WIDTH, HEIGHT))
    window = (slice(y0, y1), slice(x0, x1))
    inside = np.zeros((y1 - y0, x1 - x0), np.float32)
    cv2.fillPoly(inside, [np.rint(outline - (x0, y0)).astype(np.int32)], 1.0)
    fray = min(4.0, 0.1 * min(inside.shape))
    ragged = np.asarray(cv2.GaussianBlur(inside, (0, 0), fray), np.float32)
    frayed = smooth_noise(rng, inside.shape, (2 * fray, 2 * fray))
    ragged += ragged * (1 - ragged) * frayed  # only along the outline
    alpha = np.clip(5 * (ragged - 0.5) + 0.5, 0, 1)
    FAMILIES[c].paint(rng, grey[window], alpha)
    truth[window] |= np.where(alpha > 0.5, np.uint8(1 << c), np.uint8(0))


FAMILIES = (
    Family(
        Geometry(
            areas=(700, 1200, 2500, 6000),
            border=(0.12, 0.15, 0.28, 0.66),
            full=(0, 0, 0.01, 0.3),
            aspect=1.65,
            border_aspect=1.8,
            spread=0.5,
            tilt=8,
            irregularity=0.1,
            squareness=2.5,
            quadrilaterals=0.4,
        ),
        paint_pits,
        margin=8,
    ),
    Family(
        Geometry(
            areas=(800, 1600, 2300, 3200, 4500, 7000),
            border=(0.37, 0.6, 0.73, 0.88, 0.88, 1),
            full=(0, 0, 0.02, 0.21, 0.39, 0.5),
            aspect=7.9,
            border_aspect=8.5,
            spread=0.38,
            tilt=1.5,
            irregularity=0.05,
            squareness=4,
            quadrilaterals=0.6,
        ),
        paint_crack,
        margin=6,
    ),
    Family(
        Geometry(
            areas=(600, 2000, 3900, 6500, 14000, 50000),
            border=(0.18, 0.39, 0.66, 0.76, 0.73, 0.76),
            full=(0, 0.01, 0.22, 0.34, 0.34, 0.42),
            aspect=1.9,
            border_aspect=4.2,
            spread=1.1,
            tilt=7,
            irregularity=0.08,
            squareness=4,
            quadrilaterals=0.6,
        ),
        paint_scratches,
        margin=4,
    ),
    Family(
        Geometry(
            areas=(1300, 4500, 9000, 17000, 37000, 80000),
            border=(0.16, 0.32, 0.36, 0.5, 0.56, 0.68),
            full=(0, 0, 0.01, 0.01, 0.11, 0.16),
            aspect=0.85,
            border_aspect=0.67,
            spread=0.6,
            tilt=20,
            irregularity=0.2,
            squareness=2,
            quadrilaterals=0.1,
        ),
        paint_peeled,
        margin=50,
    ),
)
"""Families by class number from 0; geometry after 4,249 components of 1,630 real label rows."""
