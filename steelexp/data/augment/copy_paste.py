"""Defects of rare classes from other tiles."""

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
        grey: [ph, pw].
        label: [ph, pw] the defect's bit where it is.
        weight: [ph, pw] 1 on the defect, falling to 0 at the patch's border.
        tops: first row, and the row after the last, where its top may come to lie.
        lefts: the same of columns.
    """

    grey: Grey
    label: Bits
    weight: Weight
    tops: range
    lefts: range


def copy_paste(
    grey: Grey,
    bits: Bits,
    draw: np.random.Generator,
    donors: Donors,
    *,
    classes: ClassNames,
    border: Border = 8,
    probability: Probability = 0.3,
) -> tuple[Grey, Bits]:
    """A defect of a rare class from another training tile is pasted at a random place.

    One connected component, mirrored at random in either direction and never turned, because the
    rolling direction runs down the picture. Its grey is multiplied by what makes the steel around
    it as bright as the steel around its new place, and it fades out over the border; pasted as it
    is, its outline would give it away. Its label replaces what lies below. A defect that ran off
    its tile runs off this one at the same side. Black beyond the sheet's edge is neither brought
    along nor pasted on.

    A tile is left alone where there is no donor, or no room beside the black.

    Args:
        grey: [B, h, w].
        bits: [B, h, w].
        draw: the source of every choice.
        donors: where the defects come from.
        classes: names of the rare classes, each drawn equally often.
        border: pixels over which the steel around the defect fades out.
        probability: that a tile is given a defect.

    Returns:
        grey [B, h, w], bits [B, h, w].

    Raises:
        DataError: the data set has no class of a name.

    Source: Ghiasi et al., "Simple Copy-Paste is a Strong Data Augmentation Method for Instance
    Segmentation", CVPR 2021, https://arxiv.org/abs/2012.07177.
    """
    numbers = donors.numbers(classes, "augment.copy_paste.classes")
    chosen = draw.random(len(grey)) < probability
    changed, labels = grey.copy(), bits.copy()
    for i in np.flatnonzero(chosen):
        patch = _borrow(donors, numbers[draw.integers(len(numbers))], border, draw)
        place = _place(changed[i], patch, draw) if patch else None
        if patch and place:
            _paste(changed[i][place], labels[i][place], patch)
    return changed, labels


def _borrow(donors: Donors, number: int, border: int, draw: np.random.Generator) -> Patch | None:
    """A defect of a donor that holds the class, mirrored at random."""
    tile = donors.tile(draw, number)
    if tile is None:
        return None
    grey, bits = tile
    for axis in (0, 1):
        if draw.random() < 0.5:
            grey, bits = np.flip(grey, axis), np.flip(bits, axis)
    defect = pick_defect(bits, [number], draw)
    return _cut(grey, bits, defect, border) if defect else None


def _cut(grey: Grey, bits: Bits, defect: Defect, border: int) -> Patch:
    """The defect with as much of its border as the tile shows."""
    rows, tops = _span(defect.top, defect.mask.shape[0], border, len(grey))
    columns, lefts = _span(defect.left, defect.mask.shape[1], border, grey.shape[1])
    label = np.zeros_like(bits)
    label[defect.top :, defect.left :][: len(defect.mask), : defect.mask.shape[1]] = defect.mask
    label = label[rows, columns]
    away = cv2.distanceTransform(1 - label, cv2.DIST_L2, cv2.DIST_MASK_5)
    weight = np.clip(1 - away / border, 0, 1).astype(np.float32)
    foreign = (bits[rows, columns] > 0) | (black_areas(grey)[rows, columns] > 0)
    weight[foreign & (label == 0)] = 0
    return Patch(grey[rows, columns], label * np.uint8(defect.bit), weight, tops, lefts)


def _span(start: int, length: int, border: int, size: int) -> tuple[slice, range]:
    """Where to cut along one axis, and where the cut may be put: at the end that it reached."""
    first, last = max(start - border, 0), min(start + length + border, size)
    if first == 0:
        return slice(first, last), range(1)
    room = size - (last - first)
    return slice(first, last), range(room if last == size else 0, room + 1)


def _place(grey: Grey, patch: Patch, draw: np.random.Generator) -> tuple[slice, slice] | None:
    """A random place without black below the patch; None where there is none."""
    height, width = patch.grey.shape
    total = cv2.integral(black_areas(grey))  # [h + 1, w + 1]
    black = total[height:] - total[:-height]
    black = black[:, width:] - black[:, :-width]  # [h - ph + 1, w - pw + 1]
    free = np.argwhere(black[np.ix_(patch.tops, patch.lefts)] == 0)
    if not len(free):
        return None
    top, left = free[draw.integers(len(free))]
    top, left = patch.tops[top], patch.lefts[left]
    return slice(top, top + height), slice(left, left + width)


def _paste(grey: Grey, bits: Bits, patch: Patch) -> None:
    """Blend the patch into a part of a tile, in place."""
    pasted = np.minimum(_gain(grey, patch) * patch.grey, 255)
    grey[:] = np.rint(grey + patch.weight * (pasted - grey))
    np.copyto(bits, patch.label, where=patch.label > 0)


def _gain(grey: Grey, patch: Patch) -> Weight:
    """What the patch's grey is multiplied by: [ph, pw], or [1, 1] where it has no border.

    The ratio of the means of the two borders, of the parts nearby where there are any, so that
    bands and the lamp's fall-off go on through the patch; on a grid of 8 pixels. On 25 images of
    Severstal the median step at a border is 38 grey levels without it, 17 with one factor for a
    whole patch, and 11 with this.
    """
    around = ((patch.weight > 0) & (patch.label == 0)).astype(np.float32)
    if not around.any():
        return np.ones((1, 1), np.float32)
    height, width = grey.shape
    cells = (-(-width // 8), -(-height // 8))
    new, old = (
        cv2.resize(around * plane, cells, interpolation=cv2.INTER_AREA)
        for plane in (grey, patch.grey)
    )
    new, old = (cv2.GaussianBlur(p, (0, 0), 3) + 1e-3 * p.mean() for p in (new, old))
    gain = cv2.resize(new / np.maximum(old, 1e-3), (width, height))
    return np.asarray(np.clip(gain, 0.4, 2.5), np.float32)
