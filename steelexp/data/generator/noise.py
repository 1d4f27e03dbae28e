"""Size of a synthetic strip, and smooth noise, of which most of its texture is made."""

import cv2
import numpy as np
import numpy.typing as npt

HEIGHT = 256
WIDTH = 1600

Grey = npt.NDArray[np.float32]


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
