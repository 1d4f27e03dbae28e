"""Photometric augmentation: brightness, contrast, gamma, blur and noise; labels stay unchanged."""

from statistics import NormalDist
from typing import Annotated

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import Field

from steelexp.data.augment.donors import Donors, Grey, Probability
from steelexp.data.dataset import Bits

Amount = Annotated[float, Field(gt=0, le=1)]
Sigma = Annotated[float, Field(gt=0, le=32)]
Levels = Annotated[float, Field(gt=0, le=64)]
Floats = npt.NDArray[np.float64]

GREYS = np.arange(256, dtype=np.float64)
_QUANTILES = np.array([NormalDist().inv_cdf((k + 0.5) / 256) for k in range(256)])
NORMAL = _QUANTILES / _QUANTILES.std()
"""[256] equally likely quantiles of the standard normal, from -2.93 to 2.93, of variance 1."""


def brightness(
    grey: Grey,
    bits: Bits,
    rng: np.random.Generator,
    donors: Donors,
    *,
    amount: Amount = 0.2,
    probability: Probability = 0.5,
) -> tuple[Grey, Bits]:
    """Random brightness: v -> (1 + a) v, rounded and clipped at 255.

    a is uniform in -amount to amount, one value per tile. It is a factor, as of a lamp, so that the
    black beyond the sheet's edge stays black.

    Args:
        grey: [B, h, w] tiles.
        bits: [B, h, w] masks, returned unchanged.
        rng: Random generator.
        donors: Not used.
        amount: Largest change, as a share of the brightness.
        probability: Probability that a tile is changed.

    Returns:
        grey [B, h, w], bits [B, h, w].
    """
    factors = 1 + rng.uniform(-amount, amount, len(grey))[:, None]  # [B, 1]
    return _look_up(grey, factors * GREYS, rng, probability), bits


def contrast(
    grey: Grey,
    bits: Bits,
    rng: np.random.Generator,
    donors: Donors,
    *,
    amount: Amount = 0.2,
    probability: Probability = 0.5,
) -> tuple[Grey, Bits]:
    """Random contrast: v -> m + (1 + a)(v - m), rounded and clipped at 0 and 255.

    m is the mean of the tile; a is uniform in -amount to amount, one value per tile.

    Args:
        grey: [B, h, w] tiles.
        bits: [B, h, w] masks, returned unchanged.
        rng: Random generator.
        donors: Not used.
        amount: Largest change, as a share of the contrast.
        probability: Probability that a tile is changed.

    Returns:
        grey [B, h, w], bits [B, h, w].
    """
    factors = 1 + rng.uniform(-amount, amount, len(grey))[:, None]  # [B, 1]
    means = np.array([cv2.mean(tile)[0] for tile in grey]).reshape(-1, 1)  # [B, 1]
    return _look_up(grey, means + factors * (GREYS - means), rng, probability), bits


def gamma(
    grey: Grey,
    bits: Bits,
    rng: np.random.Generator,
    donors: Donors,
    *,
    amount: Amount = 0.2,
    probability: Probability = 0.5,
) -> tuple[Grey, Bits]:
    """Random gamma: v -> 255 (v / 255)^g, rounded.

    g = (1 + amount)^u with u uniform in -1 to 1, one value per tile: as often below 1 (brighter) as
    above 1 (darker). Black and white stay unchanged.

    Args:
        grey: [B, h, w] tiles.
        bits: [B, h, w] masks, returned unchanged.
        rng: Random generator.
        donors: Not used.
        amount: Range of the exponent: 1 / (1 + amount) to 1 + amount.
        probability: Probability that a tile is changed.

    Returns:
        grey [B, h, w], bits [B, h, w].
    """
    exponents = (1 + amount) ** rng.uniform(-1, 1, len(grey))[:, None]  # [B, 1]
    return _look_up(grey, 255 * (GREYS / 255) ** exponents, rng, probability), bits


def blur(
    grey: Grey,
    bits: Bits,
    rng: np.random.Generator,
    donors: Donors,
    *,
    sigma: Sigma = 1.5,
    probability: Probability = 0.5,
) -> tuple[Grey, Bits]:
    """Blur of a lens out of focus: a Gaussian whose width is uniform in sigma / 3 to sigma.

    Args:
        grey: [B, h, w] tiles.
        bits: [B, h, w] masks, returned unchanged.
        rng: Random generator.
        donors: Not used.
        sigma: Largest standard deviation of the Gaussian in pixels.
        probability: Probability that a tile is blurred.

    Returns:
        grey [B, h, w], bits [B, h, w].
    """
    sigmas = rng.uniform(sigma / 3, sigma, len(grey))
    images = grey.copy()
    for i in np.flatnonzero(rng.random(len(grey)) < probability):
        side = 2 * int(np.ceil(3 * sigmas[i])) + 1
        # OpenCV adds bytes up in whole numbers here, in the same way on every machine.
        cv2.GaussianBlur(grey[i], (side, side), sigmas[i], dst=images[i])
    return images, bits


def noise(
    grey: Grey,
    bits: Bits,
    rng: np.random.Generator,
    donors: Donors,
    *,
    std: Levels = 4.0,
    probability: Probability = 0.5,
) -> tuple[Grey, Bits]:
    """Camera noise: v -> v + n, clipped at 0 and 255, with n normal for each pixel.

    Args:
        grey: [B, h, w] tiles.
        bits: [B, h, w] masks, returned unchanged.
        rng: Random generator.
        donors: Not used.
        std: Standard deviation of n in grey levels.
        probability: Probability that a tile is changed.

    Returns:
        grey [B, h, w], bits [B, h, w].
    """
    images = grey.copy()
    for i in np.flatnonzero(rng.random(len(grey)) < probability):
        noise_levels = normal_levels(rng, grey.shape[1:], std)
        cv2.add(grey[i], noise_levels, dst=images[i], dtype=cv2.CV_8U)
    return images, bits


def normal_levels(
    rng: np.random.Generator, shape: tuple[int, ...], std: float
) -> npt.NDArray[np.int16]:
    """Normal noise in whole grey levels.

    A random byte per pixel selects one of 256 quantiles, in a sixth of the time of normal numbers.

    Args:
        rng: Random generator.
        shape: Shape of the noise, [h, w].
        std: Standard deviation in grey levels; noise is limited to 2.93 standard deviations.

    Returns:
        [h, w] int16.
    """
    indices = np.frombuffer(rng.bytes(int(np.prod(shape))), np.uint8).reshape(shape)
    levels = np.rint(std * NORMAL).astype(np.int16)
    return np.asarray(cv2.LUT(indices, levels), np.int16)


def _look_up(grey: Grey, values: Floats, rng: np.random.Generator, probability: float) -> Grey:
    """Apply to each tile, with the probability, its own lookup table of values [B, 256]."""
    tables = np.rint(np.clip(values, 0, 255)).astype(np.uint8)
    images = grey.copy()
    for i in np.flatnonzero(rng.random(len(grey)) < probability):
        cv2.LUT(grey[i], tables[i], dst=images[i])
    return images
