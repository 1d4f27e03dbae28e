"""Black on a tile: beyond the end of the sheet, and over a defect."""

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import NonNegativeInt

from steelexp.data.augment.donors import ClassNames, Donors, Grey, Probability, pick_defect
from steelexp.data.augment.photometry import Amount, normal_levels
from steelexp.data.dataset import Bits

BLACK = 25
"""Grey below which there is no steel. Beyond the edge of nine of Severstal's images the mean is 2
to 14, and up to 22 in the last pixels before the steel."""


def black_areas(grey: Grey) -> npt.NDArray[np.uint8]:
    """Where a tile looks past the sheet's edge, and 4 pixels further, where the edge is soft.

    Only what is dark over 9 x 9 pixels counts: a dark spot is a defect.

    Args:
        grey: [h, w].

    Returns:
        [h, w] of 0 and 1.
    """
    dark = (cv2.blur(grey, (3, 3)) < BLACK).astype(np.uint8)
    if not dark.any():  # most tiles: a third of the time
        return dark
    large = cv2.erode(dark, np.ones((9, 9), np.uint8))
    return np.asarray(cv2.dilate(large, np.ones((17, 17), np.uint8)), np.uint8)


def sheet_edge(
    grey: Grey,
    bits: Bits,
    draw: np.random.Generator,
    donors: Donors,
    *,
    width: Amount = 0.3,
    probability: Probability = 0.1,
) -> tuple[Grey, Bits]:
    """The sheet ends within the tile: black from the left or the right side inwards.

    The edge is drawn like those of nine of Severstal's images: upright, leaning by up to 5 pixels
    a tile, rough by a third of a pixel from row to row, with 4 to 12 pixels from black to steel;
    the black is 2 to 12 with noise. Labels are cleared where there is more black than steel. A
    tile that shows an edge already is left alone: no sheet has two so close together.

    Args:
        grey: [B, h, w].
        bits: [B, h, w].
        draw: the source of every choice.
        donors: not used.
        width: largest width of the black, as a share of the tile's.
        probability: that a tile is changed.

    Returns:
        grey [B, h, w], bits [B, h, w].
    """
    chosen = draw.random(len(grey)) < probability
    changed, labels = grey.copy(), bits.copy()
    for i in np.flatnonzero(chosen):
        if (grey[i][:, [0, -1]].mean(axis=0) >= BLACK).all():
            inwards = -1 if draw.random() < 0.5 else 1
            edge = width * grey.shape[2] * draw.random()
            _cut_sheet(changed[i][:, ::inwards], labels[i][:, ::inwards], edge, draw)
    return changed, labels


def _cut_sheet(grey: Grey, bits: Bits, edge: float, draw: np.random.Generator) -> None:
    """Blacken a tile up to column `edge`, in place."""
    height, soft = len(grey), draw.uniform(4, 12)
    rows = np.linspace(-0.5, 0.5, height)
    edges = edge + draw.uniform(-5, 5) * rows + 0.3 * draw.standard_normal(height)  # [h]
    edges = edges.astype(np.float32)
    columns = np.arange(min(int(edges.max() + soft) + 1, grey.shape[1]), dtype=np.float32)  # [n]
    steel = np.clip((columns - edges[:, None]) / soft, 0, 1)  # [h, n]
    near = grey[:, : len(columns)]
    black = np.float32(draw.uniform(2, 12)) + normal_levels(draw, near.shape, 1.5)
    near[:] = np.clip(np.rint(black + steel * (near - black)), 0, 255)
    bits[:, : len(columns)][steel < 0.5] = 0


def blackout(
    grey: Grey,
    bits: Bits,
    draw: np.random.Generator,
    donors: Donors,
    *,
    classes: ClassNames | None = None,
    margin: NonNegativeInt = 4,
    probability: Probability = 0.1,
) -> tuple[Grey, Bits]:
    """One defect is painted black and its label removed; what surrounds it is no defect.

    Black is the bounding box of a connected component and a margin: its own outline in black
    would still have the defect's shape, and what sticks out of a coarse label would stay. A label
    of any class within the box goes too. A tile without a defect of the classes is left alone.

    Args:
        grey: [B, h, w].
        bits: [B, h, w].
        draw: the source of every choice.
        donors: gives the names of the classes.
        classes: names of the classes that may be blacked out; all when absent.
        margin: pixels around the bounding box.
        probability: that a tile is changed, where it has a defect of the classes.

    Returns:
        grey [B, h, w], bits [B, h, w].

    Raises:
        DataError: the data set has no class of a name.

    Source: teams of Severstal's competition, who blacked out defects and turned the label.
    """
    numbers = donors.numbers(classes or donors.classes, "augment.blackout.classes")
    chosen = draw.random(len(grey)) < probability
    changed, labels = grey.copy(), bits.copy()
    for i in np.flatnonzero(chosen):
        defect = pick_defect(bits[i], numbers, draw)
        if defect:
            height, width = defect.mask.shape
            rows = slice(max(defect.top - margin, 0), defect.top + height + margin)
            columns = slice(max(defect.left - margin, 0), defect.left + width + margin)
            changed[i, rows, columns] = labels[i, rows, columns] = 0
    return changed, labels
