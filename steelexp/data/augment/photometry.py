"""Changes of a tile's light and noise; labels stay as they are."""

from statistics import NormalDist
from typing import Annotated

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import Field

from steelexp.data.augment.donors import Donors, Grey, Probability
from steelexp.data.dataset import Bits

Amount = Annotated[float, Field(gt=0, le=1)]
Levels = Annotated[float, Field(gt=0, le=64)]
Floats = npt.NDArray[np.float64]

GREYS = np.arange(256, dtype=np.float64)
_QUANTILES = np.array([NormalDist().inv_cdf((k + 0.5) / 256) for k in range(256)])
NORMAL = _QUANTILES / _QUANTILES.std()
"""[256] the standard normal at 256 equally likely points, from -2.93 to 2.93, of variance 1."""


def brightness(
    grey: Grey,
    bits: Bits,
    draw: np.random.Generator,
    donors: Donors,
    *,
    amount: Amount = 0.2,
    probability: Probability = 0.5,
) -> tuple[Grey, Bits]:
    """More or less light: v -> (1 + a) v, rounded, cut off at 255.

    a is uniform in -amount to amount, one for each tile. A factor and not a summand, because that
    is what a lamp does: what is black beyond the sheet's edge stays black.

    Args:
        grey: [B, h, w].
        bits: [B, h, w], handed on.
        draw: the source of every choice.
        donors: not used.
        amount: largest change, as a share of the light.
        probability: that a tile is changed.

    Returns:
        grey [B, h, w], bits [B, h, w].
    """
    factors = 1 + draw.uniform(-amount, amount, len(grey))[:, None]  # [B, 1]
    return _look_up(grey, factors * GREYS, draw, probability), bits


def contrast(
    grey: Grey,
    bits: Bits,
    draw: np.random.Generator,
    donors: Donors,
    *,
    amount: Amount = 0.2,
    probability: Probability = 0.5,
) -> tuple[Grey, Bits]:
    """More or less contrast: v -> m + (1 + a)(v - m), rounded, cut off at 0 and 255.

    m is the tile's mean, a is uniform in -amount to amount, one for each tile.

    Args:
        grey: [B, h, w].
        bits: [B, h, w], handed on.
        draw: the source of every choice.
        donors: not used.
        amount: largest change, as a share of the distance to the mean.
        probability: that a tile is changed.

    Returns:
        grey [B, h, w], bits [B, h, w].
    """
    factors = 1 + draw.uniform(-amount, amount, len(grey))[:, None]  # [B, 1]
    means = np.array([cv2.mean(tile)[0] for tile in grey]).reshape(-1, 1)  # [B, 1]
    return _look_up(grey, means + factors * (GREYS - means), draw, probability), bits


def gamma(
    grey: Grey,
    bits: Bits,
    draw: np.random.Generator,
    donors: Donors,
    *,
    amount: Amount = 0.2,
    probability: Probability = 0.5,
) -> tuple[Grey, Bits]:
    """Another response of the camera: v -> 255 (v / 255)^g, rounded.

    g = (1 + amount)^u, u uniform in -1 to 1, one for each tile: as often below 1 (brighter) as
    above (darker). Black and white stay.

    Args:
        grey: [B, h, w].
        bits: [B, h, w], handed on.
        draw: the source of every choice.
        donors: not used.
        amount: the exponent lies between 1 / (1 + amount) and 1 + amount.
        probability: that a tile is changed.

    Returns:
        grey [B, h, w], bits [B, h, w].
    """
    exponents = (1 + amount) ** draw.uniform(-1, 1, len(grey))[:, None]  # [B, 1]
    return _look_up(grey, 255 * (GREYS / 255) ** exponents, draw, probability), bits


def noise(
    grey: Grey,
    bits: Bits,
    draw: np.random.Generator,
    donors: Donors,
    *,
    std: Levels = 4.0,
    probability: Probability = 0.5,
) -> tuple[Grey, Bits]:
    """The camera's noise: v -> v + n, cut off at 0 and 255; n normal, one for each pixel.

    Args:
        grey: [B, h, w].
        bits: [B, h, w], handed on.
        draw: the source of every choice.
        donors: not used.
        std: standard deviation of n in grey levels.
        probability: that a tile is changed.

    Returns:
        grey [B, h, w], bits [B, h, w].
    """
    changed = grey.copy()
    for i in np.flatnonzero(draw.random(len(grey)) < probability):
        added = normal_levels(draw, grey.shape[1:], std)
        cv2.add(grey[i], added, dst=changed[i], dtype=cv2.CV_8U)
    return changed, bits


def normal_levels(
    draw: np.random.Generator, shape: tuple[int, ...], std: float
) -> npt.NDArray[np.int16]:
    """Normal noise in whole grey levels.

    A random byte for each pixel picks one of 256 quantiles: a sixth of the time of drawing normals.

    Args:
        draw: the source of the bytes.
        shape: of the noise, [h, w].
        std: in grey levels; what falls beyond 2.93 of it is drawn in to there.

    Returns:
        [h, w] int16.
    """
    picks = np.frombuffer(draw.bytes(int(np.prod(shape))), np.uint8).reshape(shape)
    levels = np.rint(std * NORMAL).astype(np.int16)
    return np.asarray(cv2.LUT(picks, levels), np.int16)


def _look_up(grey: Grey, values: Floats, draw: np.random.Generator, probability: float) -> Grey:
    """Change each tile by its own table with the probability; values is [B, 256]."""
    tables = np.rint(np.clip(values, 0, 255)).astype(np.uint8)
    changed = grey.copy()
    for i in np.flatnonzero(draw.random(len(grey)) < probability):
        cv2.LUT(grey[i], tables[i], dst=changed[i])
    return changed
