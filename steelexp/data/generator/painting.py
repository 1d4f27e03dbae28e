"""Appearance of synthetic defects, one painter per class of Severstal.

A painter takes (rng, steel [h, w], alpha [h, w]). It paints a component on a window of the sheet in
place. `alpha` is 1 inside the outline of the component and 0 outside. Real labels are mostly sound
steel with bright and dark marks, so no painter darkens a whole component by much.
"""

from collections.abc import Callable

import cv2
import numpy as np

from steelexp.data.generator.noise import Grey, smooth_noise

Painter = Callable[[np.random.Generator, Grey, Grey], None]


def paint_pits(rng: np.random.Generator, steel: Grey, alpha: Grey) -> None:
    """Paint bright flakes with dark hollows below them, along the rolling direction."""
    height, width = alpha.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    middle = _blurred_alpha(alpha, 0.2)
    rows, columns = np.nonzero(middle > 0.6 * middle.max())
    bright = np.zeros_like(alpha)
    dark = np.zeros_like(alpha)
    marks = 1 + rng.poisson(alpha.sum() / 1000) if len(rows) else 0
    for _ in range(marks):
        place = rng.integers(len(rows))
        breadth = rng.uniform(1.8, 5)
        length = rng.uniform(4, 13)
        for layer, down in ((bright, -0.7), (dark, 0.7)):
            dx = x - columns[place] - rng.normal(0, 1.5)
            dy = y - rows[place] - down * length * rng.uniform(0.5, 1.2)
            mark = np.exp(-((dx / breadth) ** 2) - (dy / length) ** 2)
            layer += rng.uniform(0.3, 1.2) * np.clip(2 * middle, 0, 1) * mark
    rough = np.clip(0.8 + 0.5 * smooth_noise(rng, alpha.shape, (2.5, 3.5)), 0, 2)
    steel *= 1 - np.clip(rng.uniform(0.3, 0.65) * dark * rough, 0, 0.8)
    steel *= 1 + alpha * rng.normal(-0.01, 0.02)
    steel += rng.uniform(10, 110) * np.clip(1.6 * bright * rough - 0.3, 0, 1.3)


def paint_crack(rng: np.random.Generator, steel: Grey, alpha: Grey) -> None:
    """Paint a faint dark furrow with a bright lip on one side, the full height of the outline."""
    furrow = _line(rng, alpha, rng.uniform(1.5, 5)) + 0.5 * _line(rng, alpha, rng.uniform(1, 3))
    broken = np.clip(0.8 + 0.5 * smooth_noise(rng, alpha.shape, (40, 3)), 0, 1.5)
    lip = np.roll(furrow, int(rng.choice([-5, -4, 4, 5])), axis=1)
    steel *= 1 - alpha * rng.uniform(-0.02, 0.06)
    steel *= 1 - np.clip(rng.uniform(0.25, 0.6) * furrow * broken, 0, 0.8)
    steel += rng.uniform(15, 70) * lip * np.clip(smooth_noise(rng, alpha.shape, (25, 3)), 0, 1.5)


def paint_scratches(rng: np.random.Generator, steel: Grey, alpha: Grey) -> None:
    """Paint torn streaks, single furrows or specks along the longer side, bright and dark."""
    kinds = (_streaks, _furrows, _specks)
    bright, dark = kinds[rng.choice(3, p=[0.55, 0.35, 0.1])](rng, alpha)
    shine = rng.beta(0.7, 0.7)  # torn metal is bright, an old furrow is dull
    rough = np.clip(1 + 0.4 * smooth_noise(rng, alpha.shape, (3, 2)), 0.2, 2)
    steel *= 1 - alpha * rng.uniform(-0.03, 0.12) * (1 - shine)
    steel *= 1 - np.clip(alpha * dark * rough * rng.uniform(0.3, 0.6) * (1.3 - 0.8 * shine), 0, 0.8)
    steel += rng.uniform(60, 200) * min(1.0, 0.15 + shine) * alpha * rough * bright


def _streaks(rng: np.random.Generator, alpha: Grey) -> tuple[Grey, Grey]:
    """Bright and dark part of many streaks, densest in the middle of the component."""
    streaks = _elongated_noise(rng, alpha, (rng.uniform(1.5, 5), rng.uniform(15, 110)))
    streaks += 0.6 * smooth_noise(rng, alpha.shape, (5, 3))
    core = _blurred_alpha(alpha, 0.15)
    bright = np.clip(streaks + 1.3 * core - rng.uniform(1.6, 2.4), 0, 1.5)
    dark = np.clip(-streaks + 1.3 * core - rng.uniform(1.4, 2.4), 0, 1.5)
    return np.asarray(bright, np.float32), np.asarray(dark, np.float32)


def _furrows(rng: np.random.Generator, alpha: Grey) -> tuple[Grey, Grey]:
    """Bright and dark part of one to four lines with their shadow."""
    marks = np.zeros_like(alpha)
    for _ in range(rng.integers(1, 5)):
        marks += _line(rng, alpha, rng.uniform(1, 5.5))
    marks *= np.clip(0.9 + 0.8 * smooth_noise(rng, alpha.shape, (14, 6)), 0.1, 1.6)
    shadow = np.roll(marks, (rng.integers(-3, 4), rng.integers(-4, 5)), axis=(0, 1))
    return np.clip(1.6 * marks - 0.3, 0, 1.5), np.clip(1.3 * shadow, 0, 1.5)


def _specks(rng: np.random.Generator, alpha: Grey) -> tuple[Grey, Grey]:
    """Bright specks, each with a dark one beside it."""
    specks = np.clip(2 * smooth_noise(rng, alpha.shape, (4, 5)) - rng.uniform(2.4, 3.6), 0, 1.5)
    return specks, np.roll(specks, (5, 1), axis=(0, 1))


def paint_peeled(rng: np.random.Generator, steel: Grey, alpha: Grey) -> None:
    """Paint a peeled patch with cracks and lit relief; the steel around it is rough as well."""
    around = np.asarray(cv2.GaussianBlur(alpha, (0, 0), 15), np.float32)
    rough = np.zeros_like(alpha)
    for cell, height in ((3, 0.08), (9, 0.12), (30, 0.2)):
        rough += np.float32(height) * smooth_noise(rng, alpha.shape, (1.6 * cell, cell))
    inner = np.clip(2 * around, 0, 1) * (1 - 0.6 * alpha)  # rougher beside the patch than on it
    steel *= np.exp(rng.uniform(0.5, 1.4) * inner * rough)
    relief = 5 * alpha
    for cell, height in ((3, 0.3), (10, 1.0), (35, 3.0)):
        relief -= rng.uniform(0.3, 1.2) * height * smooth_noise(rng, alpha.shape, (cell, 2 * cell))
    soft = cv2.GaussianBlur(relief, (0, 0), 1)
    slope = soft - np.roll(soft, 2, axis=0)  # lit from below
    tone = rng.normal(-0.13, 0.16) + 0.08 * smooth_noise(rng, alpha.shape, (40, 60))
    steel *= np.clip(1 + alpha * tone, 0.2, 2)
    steel *= 1 + rng.uniform(0.05, 0.2) * np.clip(slope, -2, 3) * (alpha > 0)
    steel *= 1 - 0.7 * alpha * _cracks(rng, alpha)
    flecks = smooth_noise(rng, alpha.shape, (4, 2.5)) + smooth_noise(rng, alpha.shape, (60, 40))
    steel += rng.uniform(20, 110) * np.clip(2 * around, 0, 1) * np.clip(flecks - 2.2, 0, 1)


def _cracks(rng: np.random.Generator, alpha: Grey) -> Grey:
    """Sinuous cracks across the rolling direction, 0 to 1: where smooth noise changes its sign."""
    field = smooth_noise(rng, alpha.shape, (60, 110))
    field += 0.15 * smooth_noise(rng, alpha.shape, (9, 9))
    where = np.clip(2 * smooth_noise(rng, alpha.shape, (80, 120)) - 0.6, 0, 1)
    return np.asarray(where * np.exp(-((field / 0.06) ** 2)), np.float32)


def _line(rng: np.random.Generator, alpha: Grey, breadth: float) -> Grey:
    """A wavy line along the longer axis of a component, 0 to 1, thinner at its ends."""
    along, across, length, width = _axes(alpha)
    wander = rng.normal(0, 0.25 * width) + 0.04 * width * along / length * rng.normal(0, 8)
    wander += rng.uniform(0.5, 2.5) * smooth_noise(rng, alpha.shape, (30, 30))
    ends = np.clip(2 * (1 - np.abs(along / length - rng.uniform(-0.2, 0.2))), 0, 1)
    return np.asarray(ends * np.exp(-(((across - wander) / breadth) ** 2)) * alpha, np.float32)


def _axes(alpha: Grey) -> tuple[Grey, Grey, float, float]:
    """Position of each pixel along and across a component, and its half length and half width."""
    moments = cv2.moments(alpha)
    area = max(moments["m00"], 1.0)
    angle = _angle(moments)
    y, x = np.mgrid[: alpha.shape[0], : alpha.shape[1]].astype(np.float32)
    x -= moments["m10"] / area
    y -= moments["m01"] / area
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    # A uniform bar of half length a has the variance a^2 / 3.
    length, width = (float(np.sqrt(3 * (alpha * axis**2).sum() / area)) for axis in (along, across))
    return along, across, max(length, 1.0), max(width, 1.0)


def _angle(moments: dict[str, float]) -> float:
    """Angle of the longer axis to the rows in radians; the rolling direction if it is not long."""
    difference = moments["mu20"] - moments["mu02"]
    elongation = np.hypot(difference, 2 * moments["mu11"])
    if elongation < 0.4 * (moments["mu20"] + moments["mu02"]):
        return float(np.pi / 2)
    return float(np.arctan2(2 * moments["mu11"], difference) / 2)


def _blurred_alpha(alpha: Grey, breadth: float) -> Grey:
    """Blurred opacity: high in the middle of a defect, falling to its outline."""
    soft = cv2.GaussianBlur(alpha, (0, 0), max(1.0, breadth * min(alpha.shape)))
    return np.asarray(soft, np.float32)


def _elongated_noise(rng: np.random.Generator, alpha: Grey, cell: tuple[float, float]) -> Grey:
    """Noise elongated along the longer axis of a defect; `cell` is breadth and length."""
    height, width = alpha.shape
    side = int(np.hypot(height, width)) + 1
    noise = smooth_noise(rng, (side, side), cell)
    degrees = -float(np.degrees(_angle(cv2.moments(alpha))))
    rotation = np.asarray(cv2.getRotationMatrix2D((side / 2, side / 2), degrees, 1.0), np.float64)
    rotation[:, 2] += (width - side) / 2, (height - side) / 2
    return np.asarray(cv2.warpAffine(noise, rotation, (width, height)), np.float32)
