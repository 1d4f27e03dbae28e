"""Defects in tiles: class names, a random defect of a tile, and the donors of defects."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import Field, Strict

from steelexp.data.bits import MOST_CLASSES, Bits
from steelexp.data.dataset import DataError

Grey = npt.NDArray[np.uint8]
Probability = Annotated[float, Field(ge=0, le=1)]
ClassNames = Annotated[tuple[str, ...], Strict(False), Field(min_length=1, max_length=MOST_CLASSES)]


@dataclass(frozen=True)
class Donors:
    """Training tiles that are the source of pasted defects.

    Attributes:
        classes: [C] class names; class c is bit c of a mask.
        tile: Function (random generator, class number) -> random training tile of the class, (grey
            [h, w] uint8, bits [h, w]) of the batch's size; None if there is none.
    """

    classes: tuple[str, ...]
    tile: Callable[[np.random.Generator, int], tuple[Grey, Bits] | None]

    def class_numbers(self, names: Sequence[str], key: str) -> list[int]:
        """Class numbers of class names.

        Args:
            names: Class names.
            key: Key of the spec that names the classes, for the message.

        Raises:
            DataError: The data set has no class of that name.
        """
        unknown = [name for name in names if name not in self.classes]
        if unknown:
            raise DataError(
                f"{key}: {', '.join(unknown)}: the data set has no such class; "
                f"allowed: {', '.join(self.classes)}"
            )
        return [self.classes.index(name) for name in names]


class Defect(NamedTuple):
    """One connected component of one class.

    Attributes:
        top: First row of the bounding box.
        left: First column of the bounding box.
        mask: [bh, bw] bool mask within the bounding box.
        bit: Bit of the class in a mask.
    """

    top: int
    left: int
    mask: npt.NDArray[np.bool_]
    bit: int


def pick_defect(bits: Bits, numbers: Sequence[int], rng: np.random.Generator) -> Defect | None:
    """Choose a random class of the tile, then a random connected component (8 neighbours) of it.

    Args:
        bits: [h, w] mask of a tile.
        numbers: Class numbers to choose from.
        rng: Random generator.

    Returns:
        The defect; None if the tile has none of the classes.
    """
    present = int(np.bitwise_or.reduce(bits, axis=None))
    candidates = [number for number in numbers if present >> number & 1]
    if not candidates:
        return None
    class_number = candidates[rng.integers(len(candidates))]
    mask_of_class = (bits >> class_number & 1).astype(np.uint8)
    # Labelling the components of a whole tile takes several times as long as finding the box.
    left, top, width, height = cv2.boundingRect(mask_of_class)
    region = mask_of_class[top : top + height, left : left + width]
    count, components, boxes, _ = cv2.connectedComponentsWithStats(region)
    number = int(rng.integers(1, count))
    x, y, width, height = boxes[number, :4].tolist()
    mask = components[y : y + height, x : x + width] == number
    return Defect(top + y, left + x, mask, 1 << class_number)
