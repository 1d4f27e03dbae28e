"""Synthetic surface of a rolled steel sheet: light, bands, grain, blemishes and black edges.

It imitates Severstal's strips. The rolling direction is vertical, so most textures are elongated
along the columns. Light falls off to the sides. About a sixth of the strips show black beyond the
sheet's edge. Nothing here is a defect.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from steelexp.data.generator.blemishes import add_blemishes
from steelexp.data.generator.noise import HEIGHT, WIDTH, Grey, smooth_noise

_BLACK_EDGES = 0.18  # share of the strips; 4 of the 25 training strips of Severstal's sample


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


def generate_sheet(rng: np.random.Generator, *, spatter: float = 0.15) -> Sheet:
    """Generate a sheet of 256 x 1600 pixels.

    Brightness is exp(light + bands + grain) with blemishes, so that texture scales with the light.

    Args:
        rng: Random generator.
        spatter: Probability of bright weld spatter.

    Returns:
        The sheet without defects, clipping and camera noise.
    """
    logs = _light(rng)
    logs += _bands(rng)
    logs += _grain(rng)
    grey = np.asarray(cv2.exp(logs), np.float32)
    add_blemishes(rng, grey, spatter=spatter)
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
    independent = rng.standard_normal((HEIGHT, WIDTH + 1), np.float32)
    noise = np.float32(0.9) * independent[:, 1:]
    independent *= np.float32(0.45)
    noise += independent[:, :-1]  # neighbours in a row are correlated at 0.4
    grey = rng.uniform(0.02, 0.06) * sheet.grey  # the noise grows with the light
    grey += 1
    grey *= noise
    grey += sheet.grey
    for black in (slice(0, sheet.left), slice(sheet.right, WIDTH)):
        grey[:, black] = 3 + noise[:, black]
    return np.clip(grey, 0, 255, out=grey).astype(np.uint8)


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


def _grain(rng: np.random.Generator) -> Grey:
    """Surface finish: fine lines along or across the sheet."""
    cell = (rng.uniform(4, 12), 1.5) if rng.random() < 0.4 else (1.5, rng.uniform(4, 16))
    return np.float32(rng.uniform(0.02, 0.06)) * smooth_noise(rng, (HEIGHT, WIDTH), cell)


def _edges(rng: np.random.Generator) -> tuple[int, int]:
    """First column of steel, and the column after the last one."""
    if rng.random() > _BLACK_EDGES:
        return 0, WIDTH
    black = round(WIDTH * rng.uniform(0.03, 0.9) ** 1.4)
    return (black, WIDTH) if rng.random() < 0.5 else (0, WIDTH - black)


def _worn_edge(rng: np.random.Generator, grey: Grey, left: int, right: int) -> None:
    """Add wear near the sheet's edge, in vertical streaks, in place."""
    columns = np.arange(WIDTH, dtype=np.float32)
    distance = columns - left if left else right - 1 - columns  # [W] pixels to the edge
    worn = np.exp(-np.clip(distance, 0, None) / rng.uniform(15, 60))
    streaks = smooth_noise(rng, (HEIGHT, WIDTH), (60, 6))
    grey *= np.exp(worn * (0.2 * streaks + rng.uniform(-0.3, 0.15)))
    grey *= np.clip(distance / 4, 0.2, 1)
