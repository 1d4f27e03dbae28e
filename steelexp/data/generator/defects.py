"""Synthetic defects of four families, and the polygons with which an annotator labels them.

The families imitate Severstal's classes: 1 pits, 2 cracks, 3 scratches, 4 peeled patches. The
module `prevalence` gives number and area of the defects.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from steelexp.data.generator.prevalence import sample_component_areas
from steelexp.data.generator.steel import HEIGHT, WIDTH, Grey, Sheet, smooth_noise

Points = npt.NDArray[np.float64]

_LABEL_MARGIN = 5  # free pixels around a label, so that components never touch
_SMALLEST = 60.0  # minimum area of a component in labelled pixels


@dataclass(frozen=True)
class Family:
    """Shape and appearance of the defects of a class.

    Attributes:
        aspect: Lowest and highest ratio of height to width of a component.
        tilt: Standard deviation of the angle to the rolling direction in degrees.
        irregularity: Standard deviation of the waves on the outline.
        squareness: Exponent of the superellipse of the outline; 2 is an ellipse.
        paint: Function (rng, steel [h, w], alpha [h, w]) that paints a component on a window of
            the sheet in place; alpha is its opacity.
    """

    aspect: tuple[float, float]
    tilt: float
    irregularity: float
    squareness: float
    paint: Callable[[np.random.Generator, Grey, Grey], None]


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
        outline, label = _shape(rng, FAMILIES[c], area)
        scale, move = _fit_label(rng, occupied, label)
        if scale == 0:
            continue
        label = scale * label + move
        _add_component(rng, sheet.grey, truth, scale * outline + move, c)
        cv2.fillPoly(labels, [np.rint(label).astype(np.int32)], 1 << c)
        left, top = np.maximum(np.rint(label.min(axis=0)).astype(int) - _LABEL_MARGIN, 0)
        right, bottom = np.rint(label.max(axis=0)).astype(int) + _LABEL_MARGIN
        occupied[top:bottom, left:right] = 1
    return truth, labels


def _shape(rng: np.random.Generator, family: Family, area: float) -> tuple[Points, Points]:
    """Outline of a defect and polygon of its label, [points, 2] as x and y around 0.

    The polygon has few, jittered vertices outside the same closed curve.
    """
    aspect = np.exp(rng.uniform(*np.log(family.aspect)))
    aspect = min(aspect, 0.65 * HEIGHT**2 / area)  # not higher than the strip
    angle = np.radians(rng.normal(0, family.tilt))
    waves = rng.normal(0, family.irregularity, (6, 2)) / np.arange(1, 7)[:, None] ** 0.7

    def curve(angles: Points, radial_scale: Points) -> Points:
        cos = np.cos(angles)
        sin = np.sin(angles)
        power = family.squareness
        radius = radial_scale * (np.abs(cos) ** power + np.abs(sin) ** power) ** (-1 / power)
        for k, (even, odd) in enumerate(waves, start=1):
            radius *= np.exp(even * np.cos(k * angles) + odd * np.sin(k * angles))
        x = radius * cos
        y = radius * sin * aspect
        return np.stack(
            [x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)], 1
        )

    vertices = int(rng.integers(8, 14) + area**0.5 / 20)
    angles: Points = (np.arange(vertices) + rng.uniform(-0.3, 0.3, vertices)) * 2 * np.pi / vertices
    label = curve(angles, rng.uniform(1.08, 1.26, vertices))
    outline = curve(np.linspace(0, 2 * np.pi, 90, dtype=np.float64), np.ones(90))
    scale = np.sqrt(area / cv2.contourArea(label.astype(np.float32)))
    return outline * scale, label * scale


def _fit_label(
    rng: np.random.Generator, occupied: npt.NDArray[np.uint8], label: Points
) -> tuple[float, Points]:
    """Scale and shift [2] of a label to a random free position.

    The label shrinks by a tenth until it fits; scale 0 means that there is no room.
    """
    sums = cv2.integral(occupied)  # [H + 1, W + 1]
    scale = 1.0
    while scale**2 * cv2.contourArea(label.astype(np.float32)) > _SMALLEST:
        corner = scale * label.min(axis=0)
        width, height = np.ceil(scale * label.max(axis=0) - corner).astype(int) + 1
        if height <= HEIGHT and width <= WIDTH:
            columns = sums[:, width:] - sums[:, :-width]
            overlap = columns[height:] - columns[:-height]
            free = np.flatnonzero(overlap == 0)
            if free.size:
                top, left = divmod(int(rng.choice(free)), overlap.shape[1])
                return scale, np.array([left, top]) - corner
        scale *= 0.9
    return 0.0, np.zeros(2)


def _add_component(
    rng: np.random.Generator, grey: Grey, truth: npt.NDArray[np.uint8], outline: Points, c: int
) -> None:
    """Roughen the outline, then paint the component on `grey` and `truth` in place."""
    pad = 4
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


def _pits(rng: np.random.Generator, steel: Grey, alpha: Grey) -> None:
    """Paint a dark hollow with bright flakes in its middle."""
    steel *= 1 - alpha * (0.5 + 0.12 * smooth_noise(rng, alpha.shape, (6, 4)))
    middle = _blurred_alpha(alpha, 0.22)
    flakes = 0.4 * smooth_noise(rng, alpha.shape, (6, 3)) + 6 * middle / middle.max() - 5.3
    steel += rng.uniform(100, 180) * np.clip(flakes, 0, 1)


def _crack(rng: np.random.Generator, steel: Grey, alpha: Grey) -> None:
    """Paint a narrow dark furrow with a bright lip on one side."""
    steel *= 1 - alpha * (rng.uniform(0.4, 0.65) + 0.12 * smooth_noise(rng, alpha.shape, (25, 3)))
    lip = np.clip(np.roll(alpha, int(rng.choice([-3, 3])), axis=1) - alpha, 0, 1)
    steel += rng.uniform(10, 45) * lip


def _scratches(rng: np.random.Generator, steel: Grey, alpha: Grey) -> None:
    """Paint streaks along the longer side, densest in the middle: bright metal, dark furrows."""
    streaks = _elongated_noise(rng, alpha, (rng.uniform(2, 4.5), rng.uniform(20, 90)))
    streaks += 0.4 * smooth_noise(rng, alpha.shape, (6, 4))
    core = _blurred_alpha(alpha, 0.12)
    dark = np.clip(core - 1 - streaks, 0, 1)
    bright = np.clip(streaks + 1.5 * core - rng.uniform(1.6, 2.3), 0, 1.5)
    steel *= 1 - alpha * (rng.uniform(0.12, 0.3) * core + 0.35 * dark)
    steel += rng.uniform(50, 130) * alpha * bright


def _peeled(rng: np.random.Generator, steel: Grey, alpha: Grey) -> None:
    """Paint a peeled patch: a rough dark area with a bright and a shaded rim."""
    relief = 8 * alpha
    for cell, height in ((3, 0.3), (10, 1.0), (35, 3.0)):
        relief -= rng.uniform(0.3, 1.2) * height * smooth_noise(rng, alpha.shape, (cell, 2 * cell))
    soft = cv2.GaussianBlur(relief, (0, 0), 1)
    slope = soft - np.roll(soft, 2, axis=0)  # lit from below
    dull = rng.uniform(0.35, 0.52) + 0.08 * smooth_noise(rng, alpha.shape, (40, 60))
    steel *= 1 - alpha * dull
    steel *= 1 + 0.28 * np.clip(slope, -2, 3) * (alpha > 0)


def _blurred_alpha(alpha: Grey, breadth: float) -> Grey:
    """Blurred opacity: high in the middle of a defect, falling to its outline."""
    soft = cv2.GaussianBlur(alpha, (0, 0), max(1.0, breadth * min(alpha.shape)))
    return np.asarray(soft, np.float32)


def _elongated_noise(rng: np.random.Generator, alpha: Grey, cell: tuple[float, float]) -> Grey:
    """Noise elongated along the longer axis of a defect; `cell` is breadth and length."""
    height, width = alpha.shape
    moments = cv2.moments(alpha)
    angle = np.arctan2(2 * moments["mu11"], moments["mu20"] - moments["mu02"]) / 2
    side = int(np.hypot(height, width)) + 1
    noise = smooth_noise(rng, (side, side), cell)
    centre = (side / 2, side / 2)
    rotation = np.asarray(
        cv2.getRotationMatrix2D(centre, -float(np.degrees(angle)), 1.0), np.float64
    )
    rotation[:, 2] += (width - side) / 2, (height - side) / 2
    return np.asarray(cv2.warpAffine(noise, rotation, (width, height)), np.float32)


FAMILIES = (
    Family(aspect=(1.0, 2.8), tilt=8, irregularity=0.10, squareness=2, paint=_pits),
    Family(aspect=(7.0, 14.0), tilt=2, irregularity=0.05, squareness=4, paint=_crack),
    Family(aspect=(0.6, 9.0), tilt=8, irregularity=0.10, squareness=4, paint=_scratches),
    Family(aspect=(0.35, 1.6), tilt=20, irregularity=0.18, squareness=2, paint=_peeled),
)
"""Families by class number from 0."""
