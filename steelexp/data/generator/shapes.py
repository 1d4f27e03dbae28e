"""Outlines of synthetic defects, and the polygons with which an annotator labels them.

A strip is a window on a longer sheet. Its upper and lower border cut many defects, and some defects
run through its full height.
"""

from dataclasses import dataclass
from enum import Enum

import cv2
import numpy as np
import numpy.typing as npt

from steelexp.data.generator.noise import HEIGHT

Points = npt.NDArray[np.float64]

_FILL = 0.7  # typical share of its bounding box that a label covers
_HIGHEST_INSIDE = 240.0  # rows of the highest component that touches no border


class Reach(Enum):
    """Borders of the strip that cut a component."""

    INSIDE = "none"
    TOP = "upper"
    BOTTOM = "lower"
    FULL = "both"


@dataclass(frozen=True)
class Geometry:
    """Shape of the components of a class.

    Attributes:
        areas: Areas in labelled pixels at which `border` and `full` hold; interpolated between.
        border: Share of the components of such an area that touch the upper or lower border.
        full: Share that touch both.
        aspect: Median ratio of height to width of a component that touches no border.
        border_aspect: Median ratio of a component that touches one border.
        spread: Standard deviation of the logarithm of the ratio.
        tilt: Standard deviation of the angle to the rolling direction in degrees.
        irregularity: Standard deviation of the waves on the outline.
        squareness: Exponent of the superellipse of the outline; 2 is an ellipse.
        quadrilaterals: Share of the labels with four corners; the others follow the outline.
    """

    areas: tuple[float, ...]
    border: tuple[float, ...]
    full: tuple[float, ...]
    aspect: float
    border_aspect: float
    spread: float
    tilt: float
    irregularity: float
    squareness: float
    quadrilaterals: float


@dataclass(frozen=True)
class Shape:
    """A component before it is placed.

    Attributes:
        reach: Borders that cut it.
        outline: Curve of the defect, [points, 2] as x and y; it goes on beyond a border.
        label: Polygon of its label, [points, 2], cut at the border; y starts at 0.
    """

    reach: Reach
    outline: Points
    label: Points

    def shrink(self, scale: float) -> "Shape":
        """Smaller by a factor; the height of a component through the full strip stays."""
        factors = np.array([scale, 1.0 if self.reach is Reach.FULL else scale])
        return Shape(self.reach, self.outline * factors, self.label * factors)


def sample_shape(rng: np.random.Generator, geometry: Geometry, area: float) -> Shape:
    """Sample a component.

    Args:
        rng: Random generator.
        geometry: Shape of its class.
        area: Pixels of its label.
    """
    reach = _sample_reach(rng, geometry, area)
    height, aspect = _sample_size(rng, geometry, area, reach)
    outline, label = _sample_curves(rng, geometry, aspect, area)
    first, last = _sample_window(rng, reach)
    top = label[:, 1].min()
    full_height = np.ptp(label[:, 1])
    for points in (outline, label):
        relative = (points[:, 1] - top) / full_height
        points[:, 1] = (relative - first) / (last - first) * (height - 1)
    label = cut_rows(label, height - 1)
    widening = area / max(polygon_area(label), 1.0)
    outline[:, 0] *= widening
    label[:, 0] *= widening
    return Shape(reach, outline, label)


def polygon_area(points: Points) -> float:
    """Area of a polygon [points, 2] in pixels."""
    return float(cv2.contourArea(points.astype(np.float32)))


def cut_rows(points: Points, last: float) -> Points:
    """The part of a polygon with y from 0 to `last`.

    Args:
        points: Polygon, [points, 2] as x and y.
        last: Largest y.
    """
    mirror = np.array([1.0, -1.0])
    from_0 = _cut_above_0(points)
    return np.array([0.0, last]) + mirror * _cut_above_0(np.array([0.0, last]) + mirror * from_0)


def _sample_reach(rng: np.random.Generator, geometry: Geometry, area: float) -> Reach:
    """Borders that cut a component of this area."""
    logs = np.log(geometry.areas)
    position = rng.random()
    if position < np.interp(np.log(area), logs, geometry.full):
        return Reach.FULL
    if position < np.interp(np.log(area), logs, geometry.border):
        return Reach.TOP if rng.random() < 0.5 else Reach.BOTTOM
    return Reach.INSIDE


def _sample_size(
    rng: np.random.Generator, geometry: Geometry, area: float, reach: Reach
) -> tuple[float, float]:
    """Visible height in rows, and ratio of height to width."""
    box = area / _FILL
    if reach is Reach.FULL:
        return float(HEIGHT), HEIGHT**2 / box
    median = geometry.aspect if reach is Reach.INSIDE else geometry.border_aspect
    aspect = float(median * np.exp(rng.normal(0, geometry.spread)))
    highest = _HIGHEST_INSIDE if reach is Reach.INSIDE else HEIGHT - 2.0
    height = min(np.sqrt(box * aspect), highest)
    return height, height**2 / box


def _sample_window(rng: np.random.Generator, reach: Reach) -> tuple[float, float]:
    """First and last visible part of a component's height, 0 to 1."""
    visible = rng.uniform(0.4, 0.95)
    if reach is Reach.INSIDE:
        return 0.0, 1.0
    if reach is Reach.TOP:
        return 1 - visible, 1.0
    first = 0.0 if reach is Reach.BOTTOM else rng.uniform(0, 1 - visible)
    return first, first + visible


def _sample_curves(
    rng: np.random.Generator, geometry: Geometry, aspect: float, area: float
) -> tuple[Points, Points]:
    """Outline of a defect and polygon of its label around 0, of any size.

    The polygon has few, jittered vertices outside the same closed curve, or four corners.
    """
    angle = np.radians(rng.normal(0, geometry.tilt))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    waves = rng.normal(0, geometry.irregularity, (6, 2)) / np.arange(1, 7)[:, None] ** 0.7

    def curve(angles: Points, radial_scale: Points) -> Points:
        cos = np.cos(angles)
        sin = np.sin(angles)
        power = geometry.squareness
        radius = radial_scale * (np.abs(cos) ** power + np.abs(sin) ** power) ** (-1 / power)
        for k, (even, odd) in enumerate(waves, start=1):
            radius *= np.exp(even * np.cos(k * angles) + odd * np.sin(k * angles))
        return np.asarray(np.stack([radius * cos, radius * sin * aspect], 1) @ turn, np.float64)

    outline = curve(np.linspace(0, 2 * np.pi, 90, dtype=np.float64), np.ones(90))
    if rng.random() < geometry.quadrilaterals:
        return outline, _quadrilateral(rng, outline)
    vertices = int(rng.integers(7, 13) + area**0.5 / 20)
    angles: Points = (np.arange(vertices) + rng.uniform(-0.3, 0.3, vertices)) * 2 * np.pi / vertices
    return outline, curve(angles, rng.uniform(1.08, 1.26, vertices))


def _quadrilateral(rng: np.random.Generator, outline: Points) -> Points:
    """Four jittered corners of the narrowest rectangle around a curve."""
    corners = np.asarray(cv2.boxPoints(cv2.minAreaRect(outline.astype(np.float32))), np.float64)
    centre = corners.mean(axis=0)
    sides = (corners - centre) * rng.uniform(0.94, 1.1, (4, 1))
    slant = rng.normal(0, 0.06) * np.roll(sides, 1, axis=0)
    signs = np.array([[1], [-1], [1], [-1]])
    return np.asarray(centre + sides + slant * signs, np.float64)


def _cut_above_0(points: Points) -> Points:
    """The part of a polygon with y of at least 0."""
    part = []
    for start, end in zip(points, np.roll(points, -1, axis=0), strict=True):
        if start[1] >= 0:
            part.append(start)
        if (start[1] >= 0) != (end[1] >= 0):
            part.append(start + start[1] / (start[1] - end[1]) * (end - start))
    return np.array(part)
