"""Occlusion: black beyond the sheet's edge, black over a defect, and grey rectangles."""

from typing import Annotated

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import Field

from steelexp.data.augment.donors import ClassNames, Donors, Grey, Probability, pick_defect
from steelexp.data.augment.photometry import Amount, normal_levels
from steelexp.data.dataset import Bits

BLACK = 25
"""Grey below which a pixel shows no steel.

Beyond the sheet's edge of nine of Severstal's images the mean grey is 2 to 14. In the last pixels
before the steel it is up to 22.
"""


def black_areas(grey: Grey) -> npt.NDArray[np.uint8]:
    """Mask of the area beyond the sheet's edge, and of the 4 pixels where the edge is soft.

    Smaller dark areas than 9 x 9 pixels do not count, because they may be defects.

    Args:
        grey: [h, w] tile.

    Returns:
        [h, w] of 0 and 1.
    """
    dark = (cv2.blur(grey, (3, 3)) < BLACK).astype(np.uint8)
    if not dark.any():  # most tiles; saves two thirds of the time
        return dark
    large = cv2.erode(dark, np.ones((9, 9), np.uint8))
    return np.asarray(cv2.dilate(large, np.ones((17, 17), np.uint8)), np.uint8)


def sheet_edge(
    grey: Grey,
    bits: Bits,
    rng: np.random.Generator,
    donors: Donors,
    *,
    width: Amount = 0.3,
    probability: Probability = 0.1,
) -> tuple[Grey, Bits]:
    """Simulated sheet edge: black from the left or the right side of the tile.

    The edge imitates nine of Severstal's images. It is vertical, tilted by up to 5 pixels a tile,
    rough by a third of a pixel from row to row, and 4 to 12 pixels wide from black to steel. Black
    has a grey of 2 to 12 and noise. Labels are removed where there is more black than steel. A tile
    that already shows an edge stays unchanged.

    Args:
        grey: [B, h, w] tiles.
        bits: [B, h, w] masks.
        rng: Random generator.
        donors: Not used.
        width: Largest width of the black area, as a share of the tile's width.
        probability: Probability that a tile is changed.

    Returns:
        grey [B, h, w], bits [B, h, w].
    """
    images = grey.copy()
    labels = bits.copy()
    for i in np.flatnonzero(rng.random(len(grey)) < probability):
        if (grey[i][:, [0, -1]].mean(axis=0) >= BLACK).all():
            inwards = -1 if rng.random() < 0.5 else 1
            edge = width * grey.shape[2] * rng.random()
            _blacken_side(images[i][:, ::inwards], labels[i][:, ::inwards], edge, rng)
    return images, labels


def _blacken_side(grey: Grey, bits: Bits, edge: float, rng: np.random.Generator) -> None:
    """Blacken a tile up to column `edge`, in place."""
    height = len(grey)
    soft = rng.uniform(4, 12)  # width of the edge in pixels
    rows = np.linspace(-0.5, 0.5, height)
    edges = edge + rng.uniform(-5, 5) * rows + 0.3 * rng.standard_normal(height)  # [h]
    edges = edges.astype(np.float32)
    columns = np.arange(min(int(edges.max() + soft) + 1, grey.shape[1]), dtype=np.float32)  # [n]
    steel = np.clip((columns - edges[:, None]) / soft, 0, 1)  # [h, n]
    near = grey[:, : len(columns)]
    black = np.float32(rng.uniform(2, 12)) + normal_levels(rng, near.shape, 1.5)
    near[:] = np.clip(np.rint(black + steel * (near - black)), 0, 255)
    bits[:, : len(columns)][steel < 0.5] = 0


def blackout(
    grey: Grey,
    bits: Bits,
    rng: np.random.Generator,
    donors: Donors,
    *,
    classes: ClassNames | None = None,
    margin: Annotated[int, Field(ge=0, le=8_192)] = 4,
    probability: Probability = 0.1,
) -> tuple[Grey, Bits]:
    """Blackout of one defect: its bounding box becomes black and its label is removed.

    The bounding box and a margin are blackened, because a black outline would still have the shape
    of the defect. Labels of all classes in the box are removed. A tile without a defect of the
    classes stays unchanged.

    Args:
        grey: [B, h, w] tiles.
        bits: [B, h, w] masks.
        rng: Random generator.
        donors: Source of the class names.
        classes: Names of the classes that may be blackened; all by default.
        margin: Margin around the bounding box in pixels.
        probability: Probability that a tile with a defect of the classes is changed.

    Returns:
        grey [B, h, w], bits [B, h, w].

    Raises:
        DataError: The data set has no class of that name.

    Source: solutions of Severstal's competition that blackened defects and removed their labels.
    """
    numbers = donors.class_numbers(classes or donors.classes, "augment.blackout.classes")
    images = grey.copy()
    labels = bits.copy()
    for i in np.flatnonzero(rng.random(len(grey)) < probability):
        defect = pick_defect(bits[i], numbers, rng)
        if defect:
            height, width = defect.mask.shape
            rows = slice(max(defect.top - margin, 0), defect.top + height + margin)
            columns = slice(max(defect.left - margin, 0), defect.left + width + margin)
            images[i, rows, columns] = labels[i, rows, columns] = 0
    return images, labels


def cut_out(
    grey: Grey,
    bits: Bits,
    rng: np.random.Generator,
    donors: Donors,
    *,
    side: Amount = 0.25,
    count: Annotated[int, Field(ge=1, le=100)] = 1,
    probability: Probability = 0.5,
) -> tuple[Grey, Bits]:
    """Cut-out: rectangles become grey and lose their labels, so that context has to help.

    A rectangle has the tile's mean grey, because black would look like the sheet's edge. Its height
    and width are uniform up to `side` of the tile's, and it may reach beyond the tile. What is
    hidden has no label.

    Args:
        grey: [B, h, w] tiles.
        bits: [B, h, w] masks.
        rng: Random generator.
        donors: Not used.
        side: Largest height and width of a rectangle, as a share of the tile's.
        count: Number of rectangles a tile.
        probability: Probability that a tile is changed.

    Returns:
        grey [B, h, w], bits [B, h, w].

    Source: DeVries and Taylor, 2017, https://arxiv.org/abs/1708.04552.
    """
    images = grey.copy()
    labels = bits.copy()
    size = np.array(grey.shape[1:])
    middles = rng.integers(0, size, (len(grey), count, 2))  # [B, count, 2] row, column
    sides = rng.integers(1, np.maximum(np.rint(side * size), 1) + 1, (len(grey), count, 2))
    for i in np.flatnonzero(rng.random(len(grey)) < probability):
        mean = round(cv2.mean(grey[i])[0])
        for middle, lengths in zip(middles[i], sides[i], strict=True):
            first = np.maximum(middle - lengths // 2, 0).tolist()
            last = (middle - lengths // 2 + lengths).tolist()
            hidden = (i, slice(first[0], last[0]), slice(first[1], last[1]))
            images[hidden] = mean
            labels[hidden] = 0
    return images, labels
