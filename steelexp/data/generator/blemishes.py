"""What lies on a synthetic sheet and is not a defect: stains, wipes, sparkle and weld spatter."""

import cv2
import numpy as np

from steelexp.data.generator.noise import HEIGHT, WIDTH, Grey, smooth_noise


def add_blemishes(rng: np.random.Generator, grey: Grey, *, spatter: float) -> None:
    """Add marks that nobody labels, in place.

    Args:
        rng: Random generator.
        grey: Sheet, [H, W].
        spatter: Probability of bright weld spatter.
    """
    logs = _stains(rng)
    if rng.random() < 0.25:
        logs += _wipe(rng)
    if rng.random() < 0.3:
        logs += _lines(rng)
    if rng.random() < 0.35:
        sparkle = smooth_noise(rng, (HEIGHT, WIDTH), (1.6, 2.2))
        sparkle += smooth_noise(rng, (HEIGHT, WIDTH), (200, rng.uniform(40, 200)))
        logs += rng.uniform(0.1, 0.35) * np.clip(sparkle - 1.7, 0, 2.5)
    grey *= cv2.exp(logs)
    if rng.random() < spatter:
        _spatter(rng, grey)


def _stains(rng: np.random.Generator) -> Grey:
    """Dark patches and elongated flecks of scale or oil, [H, W] log brightness."""
    stains = np.zeros((HEIGHT, WIDTH), np.float32)
    if rng.random() < 0.5:
        mottle = smooth_noise(rng, (HEIGHT, WIDTH), (rng.uniform(60, 200), 70))
        mottle += 0.5 * smooth_noise(rng, (HEIGHT, WIDTH), (14, 7))
        stains -= rng.uniform(0.05, 0.2) * np.clip(mottle, 0, 1)
    if rng.random() < 0.5:
        flecks = smooth_noise(rng, (HEIGHT, WIDTH), (rng.uniform(25, 70), rng.uniform(4, 9)))
        flecks += smooth_noise(rng, (HEIGHT, WIDTH), (200, 150))
        flecks += 0.4 * smooth_noise(rng, (HEIGHT, WIDTH), (7, 2.5))
        stains -= rng.uniform(0.1, 0.35) * np.clip(3 * flecks - 6, 0, 1)
    return stains


def _wipe(rng: np.random.Generator) -> Grey:
    """An area of another tone with a slanted, soft edge, [H, W] log brightness."""
    x = np.arange(WIDTH, dtype=np.float32)
    y = np.arange(HEIGHT, dtype=np.float32)[:, None]
    edge = x - rng.uniform(0, WIDTH) - rng.uniform(-2, 2) * y
    edge += rng.uniform(5, 30) * smooth_noise(rng, (HEIGHT, WIDTH), (120, 120))
    side = np.clip(edge / rng.uniform(3, 40), -1, 1)
    far = np.exp(-np.clip(edge, 0, None) / rng.uniform(80, 800))
    return np.asarray(rng.uniform(-0.08, 0.12) * (side + 1) * far, np.float32)


def _lines(rng: np.random.Generator) -> Grey:
    """Dark or bright lines along the rolling direction that fade out, [H, W] log brightness."""
    profile = np.zeros((1, WIDTH), np.float32)
    centre = rng.uniform(0, WIDTH)
    for _ in range(rng.integers(1, 8)):
        x = np.arange(WIDTH, dtype=np.float32) - rng.normal(centre, 250)
        profile += rng.normal(-0.12, 0.12) * np.exp(-((x / rng.uniform(0.8, 4)) ** 2))
    fading = smooth_noise(rng, (HEIGHT, WIDTH), (180, 12))
    return np.asarray(profile * np.clip(0.6 + fading, 0, 1.3), np.float32)


def _spatter(rng: np.random.Generator, grey: Grey) -> None:
    """Add bright drops in tracks along the rolling direction, with small ones around, in place."""
    tracks, around = _spatter_density(rng)
    drops = smooth_noise(rng, (HEIGHT, WIDTH), (rng.uniform(10, 50), rng.uniform(7, 16)))
    drops += rng.uniform(0.2, 0.7) * smooth_noise(rng, (HEIGHT, WIDTH), (3, 3))
    tracks *= 3.2
    tracks -= rng.uniform(2.4, 3.6)
    drops += tracks
    if rng.random() < 0.5:  # the middle of a drop reflects the light away
        drops -= 3 * np.clip(drops - 0.8, 0, None)
    small = smooth_noise(rng, (HEIGHT, WIDTH), (2.5, 2.5))
    around *= 1.2
    around -= 3.3
    small += around
    np.maximum(drops, small, out=drops)
    drops *= 2
    grey += rng.uniform(120, 230) * np.clip(drops, 0, 1, out=drops)


def _spatter_density(rng: np.random.Generator) -> tuple[Grey, Grey]:
    """Density of the drops along one to four columns and around them, [H, W] from 0 to 1."""
    tracks = np.zeros((HEIGHT, WIDTH), np.float32)
    around = np.zeros((HEIGHT, WIDTH), np.float32)
    x = np.arange(WIDTH, dtype=np.float32)
    y = np.arange(HEIGHT, dtype=np.float32)[:, None]
    centre = rng.uniform(80, WIDTH - 80)
    for _ in range(rng.integers(1, 5)):
        first = -200.0 if rng.random() < 0.5 else rng.uniform(-100, HEIGHT - 60)
        last = first + rng.uniform(80, 700)
        distance = np.abs(x - rng.normal(centre, 60))
        inside = np.clip(np.minimum(y - first, last - y), -100, 100)
        for density, breadth, soft in ((tracks, rng.uniform(8, 26), 4.0), (around, 70.0, 25.0)):
            columns = np.exp(-((distance / np.float32(breadth)) ** 2))
            np.maximum(density, columns / (1 + np.exp(-inside / np.float32(soft))), out=density)
    return tracks, around
