"""Rotation, scale, elastic and grid distortion: tiles read at other places of themselves.

Image and mask are read at the same places, the image between its pixels and the mask at the nearest
one, so that a mask holds no class that it did not hold. Beyond a tile is its reflection, as for
shifts: black would look like the sheet's edge. Places are rounded to 1 / 32 pixel, and pixels are
weighted in whole numbers, so that the result does not depend on the machine.
"""

from collections.abc import Callable
from typing import Annotated

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import Field

from steelexp.data.augment.donors import Donors, Grey, Probability
from steelexp.data.bits import Bits, for_opencv
from steelexp.data.data_error import DataError
from steelexp.limits import Pixels

Degrees = Annotated[float, Field(gt=0, le=180)]
Amount = Annotated[float, Field(gt=0, lt=1)]
Cells = Annotated[int, Field(ge=2, le=64)]
Places = npt.NDArray[np.float64]

_FOLD_FREE = 0.48
"""Largest displacement of control points, as a share of their distance, at which a deformation by
cubic B-splines is one to one in two dimensions: Choi and Lee, Graphical Models 62:299, 2000."""


def rotation(
    grey: Grey,
    bits: Bits,
    rng: np.random.Generator,
    donors: Donors,
    *,
    degrees: Degrees = 10.0,
    probability: Probability = 0.5,
) -> tuple[Grey, Bits]:
    """Random rotation of each tile about its middle, filled by reflection.

    Args:
        grey: [B, h, w] tiles.
        bits: [B, h, w] masks.
        rng: Random generator.
        donors: Not used.
        degrees: Largest angle in either direction; all angles up to it are equally likely.
        probability: Probability that a tile is rotated.

    Returns:
        grey [B, h, w], bits [B, h, w].
    """
    angles = np.deg2rad(rng.uniform(-degrees, degrees, len(grey)))
    down, right = _from_middle(grey.shape[1], grey.shape[2])

    def places(i: int) -> tuple[Places, Places]:
        cosine = np.cos(angles[i])
        sine = np.sin(angles[i])
        return cosine * down - sine * right, sine * down + cosine * right

    return _read_from_middle(grey, bits, rng.random(len(grey)) < probability, places)


def scale(
    grey: Grey,
    bits: Bits,
    rng: np.random.Generator,
    donors: Donors,
    *,
    amount: Amount = 0.2,
    probability: Probability = 0.5,
) -> tuple[Grey, Bits]:
    """Random magnification of each tile about its middle, filled by reflection.

    The factor is (1 + amount)^u with u uniform in -1 to 1: as often above 1 (larger defects) as
    below 1 (smaller ones).

    Args:
        grey: [B, h, w] tiles.
        bits: [B, h, w] masks.
        rng: Random generator.
        donors: Not used.
        amount: Range of the factor: 1 / (1 + amount) to 1 + amount.
        probability: Probability that a tile is scaled.

    Returns:
        grey [B, h, w], bits [B, h, w].
    """
    factors = (1 + amount) ** rng.uniform(-1, 1, len(grey))
    down, right = _from_middle(grey.shape[1], grey.shape[2])

    def places(i: int) -> tuple[Places, Places]:
        return down / factors[i], right / factors[i]

    return _read_from_middle(grey, bits, rng.random(len(grey)) < probability, places)


def elastic(
    grey: Grey,
    bits: Bits,
    rng: np.random.Generator,
    donors: Donors,
    *,
    pixels: Annotated[float, Field(gt=0, le=8_192)] = 8.0,
    spacing: Pixels = 64,
    probability: Probability = 0.5,
) -> tuple[Grey, Bits]:
    """Elastic deformation: control points move at random and smoothly take the tile with them.

    Control points lie on a square grid. Each moves by up to `pixels` down or up, and by as much
    right or left. Between them cubic B-splines interpolate, so that no pixel moves further than
    that.

    Args:
        grey: [B, h, w] tiles.
        bits: [B, h, w] masks.
        rng: Random generator.
        donors: Not used.
        pixels: Largest displacement in either direction, at most 0.48 of the spacing.
        spacing: Distance of neighbouring control points in pixels.
        probability: Probability that a tile is deformed.

    Returns:
        grey [B, h, w], bits [B, h, w].

    Raises:
        DataError: The deformation could fold the tile over itself.

    Source: random displacements on a coarse grid as in Ronneberger et al., MICCAI 2015, section
        3.1, https://arxiv.org/abs/1505.04597; B-splines: Rueckert et al., IEEE TMI 18:712, 1999.
    """
    if pixels > _FOLD_FREE * spacing:
        raise DataError(
            f"augment.elastic.pixels: {pixels:g} could fold a tile over itself at a spacing of "
            f"{spacing}; set it to at most {_FOLD_FREE * spacing:g}, or the spacing to at least "
            f"{int(np.ceil(pixels / _FOLD_FREE))}"
        )
    height, width = grey.shape[1:]
    rows = _spline_weights(height, spacing)  # [h, m]
    columns = _spline_weights(width, spacing)  # [w, n]
    moves = rng.uniform(-pixels, pixels, (len(grey), 2, rows.shape[1], columns.shape[1]))

    def places(i: int) -> tuple[Places, Places]:
        down, right = rows @ moves[i] @ columns.T  # [2, h, w]
        return np.arange(height)[:, None] + down, np.arange(width) + right

    return _read(grey, bits, rng.random(len(grey)) < probability, places)


def grid_distortion(
    grey: Grey,
    bits: Bits,
    rng: np.random.Generator,
    donors: Donors,
    *,
    cells: Cells = 5,
    amount: Amount = 0.3,
    probability: Probability = 0.5,
) -> tuple[Grey, Bits]:
    """Grid distortion: bands of rows and bands of columns become wider or narrower.

    A tile is divided into `cells` bands of rows and as many of columns. The width of each is
    multiplied by 1 + a with a uniform in -amount to amount, then all are scaled so that the edges
    of the tile stay where they are.

    Args:
        grey: [B, h, w] tiles.
        bits: [B, h, w] masks.
        rng: Random generator.
        donors: Not used.
        cells: Number of bands in either direction.
        amount: Largest change of a band's width before scaling, as a share of it.
        probability: Probability that a tile is distorted.

    Returns:
        grey [B, h, w], bits [B, h, w].

    Source: GridDistortion of Albumentations, https://arxiv.org/abs/1809.06839.
    """
    height, width = grey.shape[1:]
    bands = 1 + rng.uniform(-amount, amount, (len(grey), 2, cells))
    edges = np.concatenate([np.zeros((len(grey), 2, 1)), bands.cumsum(axis=2)], axis=2)
    edges /= edges[:, :, -1:]  # [B, 2, cells + 1] from 0 to 1
    regular = np.linspace(0, 1, cells + 1)

    def places(i: int) -> tuple[Places, Places]:
        down, right = (
            np.interp(np.linspace(0, 1, length), edges[i, axis], regular) * (length - 1)
            for axis, length in enumerate((height, width))
        )
        return down[:, None], right

    return _read(grey, bits, rng.random(len(grey)) < probability, places)


def read_at(plane: Grey, bits: Bits, rows: Places, columns: Places) -> tuple[Grey, Bits]:
    """An image and its mask, read at other places.

    Args:
        plane: [h, w] image.
        bits: [h, w] mask.
        rows: Row in the image of each pixel of the result, [h, w] or what extends to it.
        columns: Its column.

    Returns:
        Image and mask, [h, w].
    """
    x, y = (
        np.ascontiguousarray(np.broadcast_to(places, bits.shape), np.float32)
        for places in (columns, rows)
    )
    # Fixed-point maps: whole pixels as [h, w, 2] int16, and the parts of a pixel in 1 / 32.
    whole, parts = cv2.convertMaps(x, y, cv2.CV_16SC2)
    nearest, none = cv2.convertMaps(x, y, cv2.CV_16SC2, nninterpolation=True)
    reflection = cv2.BORDER_REFLECT_101
    image = cv2.remap(plane, whole, parts, cv2.INTER_LINEAR, borderMode=reflection)
    mask = cv2.remap(for_opencv(bits), nearest, none, cv2.INTER_NEAREST, borderMode=reflection)
    return np.asarray(image, np.uint8), np.asarray(mask).view(bits.dtype)


def _read(
    grey: Grey,
    bits: Bits,
    chosen: npt.NDArray[np.bool_],
    places: Callable[[int], tuple[Places, Places]],
) -> tuple[Grey, Bits]:
    """Read the chosen tiles of a batch at other places."""
    images = grey.copy()
    labels = bits.copy()
    for i in np.flatnonzero(chosen).tolist():
        images[i], labels[i] = read_at(grey[i], bits[i], *places(i))
    return images, labels


def _from_middle(height: int, width: int) -> tuple[Places, Places]:
    """Distance of each pixel from the middle: down [h, 1] and right [w]."""
    down = np.arange(height, dtype=np.float64)[:, None] - (height - 1) / 2
    right = np.arange(width, dtype=np.float64) - (width - 1) / 2
    return down, right


def _read_from_middle(
    grey: Grey,
    bits: Bits,
    chosen: npt.NDArray[np.bool_],
    places: Callable[[int], tuple[Places, Places]],
) -> tuple[Grey, Bits]:
    """Read the chosen tiles at places that are distances from the middle."""
    height, width = grey.shape[1:]

    def absolute(i: int) -> tuple[Places, Places]:
        down, right = places(i)
        return down + (height - 1) / 2, right + (width - 1) / 2

    return _read(grey, bits, chosen, absolute)


def _spline_weights(length: int, spacing: int) -> Places:
    """Weights of the control points of a line in each of its pixels, of cubic B-splines.

    Args:
        length: Length of the line in pixels.
        spacing: Distance of the control points in pixels. The first one is before the line.

    Returns:
        [length, points]; the weights of a pixel are positive and have a sum of 1.
    """
    points = (length - 1) // spacing + 4
    knots = np.arange(length)[:, None] / spacing + 1 - np.arange(points)  # in spacings
    distance = np.abs(knots)
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = np.clip(2 - distance, 0, None) ** 3 / 6
    return np.asarray(np.where(distance < 1, near, far))
