"""Four families of defects drawn on a sheet, and the polygons an annotator drew round them.

Families are modelled on Severstal's classes: 1 pits, 2 cracks, 3 scratches, 4 peeled patches.
How many there are and how large is decided in `prevalence`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from steelexp.data.generator.prevalence import component_areas
from steelexp.data.generator.steel import HEIGHT, WIDTH, Grey, Sheet, smooth_noise

Points = npt.NDArray[np.float64]

_LABEL_MARGIN = 5  # pixels kept free round a label, so that two components never touch
_SMALLEST = 60.0  # labelled pixels below which a component is left out


@dataclass(frozen=True)
class Family:
    """How the defects of a class come about.

    Attributes:
        aspect: lowest and highest height over width of a component.
        tilt: spread of the angle to the rolling direction in degrees.
        irregularity: spread of the waves on the outline.
        squareness: exponent of the superellipse a component starts from; 2 is an ellipse.
        paint: draws a component into a window [h, w] of the sheet, where `cover` [h, w] says how
            far each pixel belongs to it.
    """

    aspect: tuple[float, float]
    tilt: float
    irregularity: float
    squareness: float
    paint: Callable[[np.random.Generator, Grey, Grey], None]


def draw_defects(
    rng: np.random.Generator, surface: Sheet, classes: Sequence[int]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Draw defects of the given classes into the sheet.

    Args:
        rng: the source of everything that varies.
        surface: the sheet; its grey is changed in place.
        classes: class numbers from 0, each at most once.

    Returns:
        Where the defects are, and where an annotator says they are: [H, W] uint8 each, bit c set
        where class c is. Labels of two classes never overlap and never lie on black.
    """
    truth = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    taken = np.ones((HEIGHT, WIDTH), np.uint8)
    taken[:, surface.left : surface.right] = 0
    room = 0.5 * HEIGHT * (surface.right - surface.left)
    components = [(area, c) for c in classes for area in component_areas(rng, c, room)]
    for area, c in sorted(components, reverse=True):  # the largest first, while there is room
        outline, polygon = _shape(rng, FAMILIES[c], area)
        scale, move = _place(rng, taken, polygon)
        if scale == 0:
            continue
        outline, polygon = scale * outline + move, scale * polygon + move
        _draw_component(rng, surface.grey, truth, outline, c)
        cv2.fillPoly(labels, [np.rint(polygon).astype(np.int32)], 1 << c)
        left, top = np.maximum(np.rint(polygon.min(axis=0)).astype(int) - _LABEL_MARGIN, 0)
        right, bottom = np.rint(polygon.max(axis=0)).astype(int) + _LABEL_MARGIN
        taken[top:bottom, left:right] = 1
    return truth, labels


def _shape(rng: np.random.Generator, family: Family, area: float) -> tuple[Points, Points]:
    """Outline of a defect and of its label, [points, 2] as x and y about 0.

    Both are the same closed curve, the label's at few, jittered angles and farther out.
    """
    aspect = np.exp(rng.uniform(*np.log(family.aspect)))
    aspect = min(aspect, 0.65 * HEIGHT**2 / area)  # no higher than the strip
    turn = np.radians(rng.normal(0, family.tilt))
    waves = rng.normal(0, family.irregularity, (6, 2)) / np.arange(1, 7)[:, None] ** 0.7

    def curve(angles: Points, reach: Points) -> Points:
        cos, sin = np.cos(angles), np.sin(angles)
        power = family.squareness
        radius = reach * (np.abs(cos) ** power + np.abs(sin) ** power) ** (-1 / power)
        for k, (even, odd) in enumerate(waves, start=1):
            radius *= np.exp(even * np.cos(k * angles) + odd * np.sin(k * angles))
        x, y = radius * cos, radius * sin * aspect
        return np.stack(
            [x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)], 1
        )

    vertices = int(rng.integers(8, 14) + area**0.5 / 20)
    angles: Points = (np.arange(vertices) + rng.uniform(-0.3, 0.3, vertices)) * 2 * np.pi / vertices
    polygon = curve(angles, rng.uniform(1.08, 1.26, vertices))
    outline = curve(np.linspace(0, 2 * np.pi, 90, dtype=np.float64), np.ones(90))
    scale = np.sqrt(area / cv2.contourArea(polygon.astype(np.float32)))
    return outline * scale, polygon * scale


def _place(
    rng: np.random.Generator, taken: npt.NDArray[np.uint8], polygon: Points
) -> tuple[float, Points]:
    """Scale and shift [2] that bring a label to where it fits, drawn evenly from all such places.

    It is shrunk by a tenth as often as it fits nowhere; scale 0 says that there is no room at all.
    """
    sums = cv2.integral(taken)  # [H + 1, W + 1]
    scale = 1.0
    while scale**2 * cv2.contourArea(polygon.astype(np.float32)) > _SMALLEST:
        corner = scale * polygon.min(axis=0)
        width, height = np.ceil(scale * polygon.max(axis=0) - corner).astype(int) + 1
        if height <= HEIGHT and width <= WIDTH:
            right, left_of = sums[:, width:], sums[:, :-width]
            held = (right[height:] - right[:-height]) - (left_of[height:] - left_of[:-height])
            free = np.flatnonzero(held == 0)
            if free.size:
                top, left = divmod(int(rng.choice(free)), held.shape[1])
                return scale, np.array([left, top]) - corner
        scale *= 0.9
    return 0.0, np.zeros(2)


def _draw_component(
    rng: np.random.Generator, grey: Grey, truth: npt.NDArray[np.uint8], outline: Points, c: int
) -> None:
    """Fray the outline and paint what is inside, into `grey` and `truth`."""
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
    cover = np.clip(5 * (ragged - 0.5) + 0.5, 0, 1)
    FAMILIES[c].paint(rng, grey[window], cover)
    truth[window] |= np.where(cover > 0.5, np.uint8(1 << c), np.uint8(0))


def _pits(rng: np.random.Generator, steel: Grey, cover: Grey) -> None:
    """A dark hollow with bright flakes in its middle."""
    steel *= 1 - cover * (0.5 + 0.12 * smooth_noise(rng, cover.shape, (6, 4)))
    middle = _core(cover, 0.22)
    flakes = 0.4 * smooth_noise(rng, cover.shape, (6, 3)) + 6 * middle / middle.max() - 5.3
    steel += rng.uniform(100, 180) * np.clip(flakes, 0, 1)


def _crack(rng: np.random.Generator, steel: Grey, cover: Grey) -> None:
    """A narrow dark furrow with a lit lip on one side."""
    steel *= 1 - cover * (rng.uniform(0.4, 0.65) + 0.12 * smooth_noise(rng, cover.shape, (25, 3)))
    lip = np.clip(np.roll(cover, int(rng.choice([-3, 3])), axis=1) - cover, 0, 1)
    steel += rng.uniform(10, 45) * lip


def _scratches(rng: np.random.Generator, steel: Grey, cover: Grey) -> None:
    """Streaks torn along the longer side, densest in the middle: bright metal, dark furrows."""
    streaks = _along(rng, cover, (rng.uniform(2, 4.5), rng.uniform(20, 90)))
    streaks += 0.4 * smooth_noise(rng, cover.shape, (6, 4))
    core = _core(cover, 0.12)
    dark = np.clip(core - 1 - streaks, 0, 1)
    bright = np.clip(streaks + 1.5 * core - rng.uniform(1.6, 2.3), 0, 1.5)
    steel *= 1 - cover * (rng.uniform(0.12, 0.3) * core + 0.35 * dark)
    steel += rng.uniform(50, 130) * cover * bright


def _peeled(rng: np.random.Generator, steel: Grey, cover: Grey) -> None:
    """A skin of steel that came off: a rough dark bed, with a lit and a shaded rim."""
    relief = 8 * cover
    for cell, height in ((3, 0.3), (10, 1.0), (35, 3.0)):
        relief -= rng.uniform(0.3, 1.2) * height * smooth_noise(rng, cover.shape, (cell, 2 * cell))
    soft = cv2.GaussianBlur(relief, (0, 0), 1)
    slope = soft - np.roll(soft, 2, axis=0)  # lit from below
    dull = rng.uniform(0.35, 0.52) + 0.08 * smooth_noise(rng, cover.shape, (40, 60))
    steel *= 1 - cover * dull
    steel *= 1 + 0.28 * np.clip(slope, -2, 3) * (cover > 0)


def _core(cover: Grey, breadth: float) -> Grey:
    """High in the middle of a defect, falling to its outline over a share of its breadth."""
    soft = cv2.GaussianBlur(cover, (0, 0), max(1.0, breadth * min(cover.shape)))
    return np.asarray(soft, np.float32)


def _along(rng: np.random.Generator, cover: Grey, cell: tuple[float, float]) -> Grey:
    """Noise drawn out along the longer axis of a defect; `cell` is its breadth and length."""
    height, width = cover.shape
    moments = cv2.moments(cover)
    angle = np.arctan2(2 * moments["mu11"], moments["mu20"] - moments["mu02"]) / 2
    side = int(np.hypot(height, width)) + 1
    noise = smooth_noise(rng, (side, side), cell)
    centre = (side / 2, side / 2)
    turn = np.asarray(cv2.getRotationMatrix2D(centre, -float(np.degrees(angle)), 1.0), np.float64)
    turn[:, 2] += (width - side) / 2, (height - side) / 2
    return np.asarray(cv2.warpAffine(noise, turn, (width, height)), np.float32)


FAMILIES = (
    Family(aspect=(1.0, 2.8), tilt=8, irregularity=0.10, squareness=2, paint=_pits),
    Family(aspect=(7.0, 14.0), tilt=2, irregularity=0.05, squareness=4, paint=_crack),
    Family(aspect=(0.6, 9.0), tilt=8, irregularity=0.10, squareness=4, paint=_scratches),
    Family(aspect=(0.35, 1.6), tilt=20, irregularity=0.18, squareness=2, paint=_peeled),
)
"""By class number from 0."""
