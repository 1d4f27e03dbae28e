"""Synthetic surface of a rolled steel sheet: light, bands, grain, stains and black edges.

It imitates Severstal's strips. The rolling direction is vertical, so textures are elongated along
the columns. Light falls off to the sides. About a third of the strips show black beyond the sheet's
edge. Nothing here is a defect.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

HEIGHT = 256
WIDTH = 1600

Grey = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Sheet:
    """A sheet without defects.

    Attributes:
        grey: [H, W] float32 brightness from 0 to 255, not clipped.
        left: First column of steel.
        right: Column after the last column of steel.
    """

    grey: Grey
    left: int
    right: int


def generate_sheet(rng: np.random.Generator) -> Sheet:
    """Generate a sheet of 256 x 1600 pixels.

    Brightness is exp(light + bands + stains + grain), so that texture scales with the light.

    Args:
        rng: Random generator.

    Returns:
        The sheet without defects, clipping and camera noise.
    """
    logs = _light(rng)
    for layer in (_bands(rng), _stains(rng), _grain(rng)):
        logs += layer
    grey = np.asarray(cv2.exp(logs), np.float32)
    if rng.random() < 0.12:
        _glare(rng, grey)
    left, right = _edges(rng)
    if right - left < WIDTH:
        _worn_edge(rng, grey, left, right)
    return Sheet(grey, left, right)


def photograph(rng: np.random.Generator, sheet: Sheet) -> npt.NDArray[np.uint8]:
    """Simulate the camera: black beyond the sheet, noise, 8 bits.

    Args:
        rng: Random generator.
        sheet: Sheet with its defects.

    Returns:
        [H, W] uint8 grey values.
    """
    noise = rng.standard_normal((HEIGHT, WIDTH), np.float32)
    grain = rng.uniform(0.02, 0.06) * sheet.grey + 1  # grows with the light
    grey = sheet.grey + grain * noise
    for black in (slice(0, sheet.left), slice(sheet.right, WIDTH)):
        grey[:, black] = 3 + noise[:, black]
    return np.clip(grey, 0, 255).astype(np.uint8)


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, ...], cell: tuple[float, float]
) -> Grey:
    """Smooth noise of about unit variance with features of `cell` pixels.

    It is normal noise on a grid of cells. Cubic interpolation gives four points per cell, and
    linear interpolation the pixels between them. That takes a third of the time of cubic
    interpolation alone.

    Args:
        rng: Random generator.
        shape: Height and width in pixels.
        cell: Height and width of a feature in pixels.

    Returns:
        [height, width] float32.
    """
    rows, columns = (max(2, round(n / c) + 1) for n, c in zip(shape, cell, strict=True))
    # 1.2 compensates for the variance that interpolation removes.
    grid = np.float32(1.2) * rng.standard_normal((rows, columns), np.float32)
    finer = min(shape[1], 4 * columns), min(shape[0], 4 * rows)
    cubic = cv2.resize(grid, finer, interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.resize(cubic, shape[::-1]), np.float32)


def _light(rng: np.random.Generator) -> Grey:
    """Log brightness of the lamp, falling off to the sides of a random column."""
    x = np.linspace(-1, 1, WIDTH, dtype=np.float32)
    y = np.linspace(-1, 1, HEIGHT, dtype=np.float32)[:, None]
    mean = np.log(np.clip(rng.normal(116, 27), 65, 160))
    fall = rng.uniform(0.05, 0.6) * (x - rng.uniform(-0.8, 0.8)) ** 2
    tilt = rng.normal(0, 0.14) * y
    light = rng.uniform(0.03, 0.12) * smooth_noise(rng, (HEIGHT, WIDTH), (400, 300))
    light += mean + 0.1 - fall
    light += tilt
    return light


def _bands(rng: np.random.Generator) -> Grey:
    """Bands along the rolling direction, from wide bands to fine lines."""
    profile = np.zeros((1, WIDTH), np.float32)
    for width, amplitude in ((120, 0.07), (30, 0.04), (8, 0.025), (3, 0.02)):
        profile += amplitude * smooth_noise(rng, (2, WIDTH), (2, width))[:1]
    for _ in range(rng.integers(0, 3)):  # edges between passes of the rolls
        profile[:, rng.integers(WIDTH) :] += rng.normal(0, 0.12)
    strength = rng.uniform(0.3, 1.2)
    broken = strength * 0.03 * smooth_noise(rng, (HEIGHT, WIDTH), (120, 10))
    broken += strength * profile
    return broken


def _stains(rng: np.random.Generator) -> Grey:
    """Dark patches and elongated flecks of scale or oil: faint, and not labelled."""
    stains = np.zeros((HEIGHT, WIDTH), np.float32)
    if rng.random() < 0.5:
        mottle = smooth_noise(rng, (HEIGHT, WIDTH), (rng.uniform(60, 200), 70))
        mottle += 0.5 * smooth_noise(rng, (HEIGHT, WIDTH), (14, 7))
        stains -= rng.uniform(0.05, 0.2) * np.clip(mottle, 0, 1)
    if rng.random() < 0.5:
        flecks = smooth_noise(rng, (HEIGHT, WIDTH), (rng.uniform(25, 60), rng.uniform(5, 9)))
        flecks += smooth_noise(rng, (HEIGHT, WIDTH), (200, 150))
        flecks += 0.4 * smooth_noise(rng, (HEIGHT, WIDTH), (7, 2.5))
        stains -= rng.uniform(0.1, 0.25) * np.clip(2 * flecks - 4, 0, 1)
    return stains


def _grain(rng: np.random.Generator) -> Grey:
    """Surface finish: fine lines along or across the sheet, and bright sparkle in places."""
    cell = (rng.uniform(4, 12), 1.5) if rng.random() < 0.6 else (1.5, rng.uniform(4, 16))
    grain = rng.uniform(0.02, 0.06) * smooth_noise(rng, (HEIGHT, WIDTH), cell)
    if rng.random() < 0.35:
        sparkle = smooth_noise(rng, (HEIGHT, WIDTH), (2.5, 1.8))
        sparkle += smooth_noise(rng, (HEIGHT, WIDTH), (200, 50))
        grain += rng.uniform(0.15, 0.35) * np.clip(sparkle - 2, 0, None)
    return grain


def _glare(rng: np.random.Generator, grey: Grey) -> None:
    """Add reflections of the lamp in water drops, in place."""
    layer = np.zeros((HEIGHT, WIDTH), np.uint8)
    centre = rng.uniform(80, WIDTH - 80)
    for _ in range(rng.integers(5, 18)):
        position = (round(rng.normal(centre, 40)), round(rng.uniform(0, HEIGHT)))
        axes = (int(rng.integers(2, 8)), int(rng.integers(4, 18)))
        cv2.ellipse(layer, position, axes, rng.normal(0, 10), 0, 360, 255, -1)
    ragged = cv2.GaussianBlur(layer, (0, 0), 2).astype(np.float32) / 255
    ragged *= 1 + 0.5 * smooth_noise(rng, (HEIGHT, WIDTH), (4, 4))
    grey += rng.uniform(120, 200) * np.clip(4 * ragged - 1.5, 0, 1)


def _edges(rng: np.random.Generator) -> tuple[int, int]:
    """First column of steel, and the column after the last one."""
    if rng.random() > 1 / 3:
        return 0, WIDTH
    black = round(WIDTH * rng.uniform(0.03, 0.42) ** 1.2)
    return (black, WIDTH) if rng.random() < 0.5 else (0, WIDTH - black)


def _worn_edge(rng: np.random.Generator, grey: Grey, left: int, right: int) -> None:
    """Add wear near the sheet's edge, in vertical streaks, in place."""
    columns = np.arange(WIDTH, dtype=np.float32)
    distance = columns - left if left else right - 1 - columns  # [W] pixels to the edge
    worn = np.exp(-np.clip(distance, 0, None) / rng.uniform(15, 60))
    streaks = smooth_noise(rng, (HEIGHT, WIDTH), (60, 6))
    grey *= np.exp(worn * (0.2 * streaks + rng.uniform(-0.3, 0.15)))
    grey *= np.clip(distance / 4, 0.2, 1)
