"""Defects in tiles: classes by name, one defect of a tile, and where donors come from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import Field, Strict

from steelexp.data.dataset import Bits, DataError

Grey = npt.NDArray[np.uint8]
Probability = Annotated[float, Field(ge=0, le=1)]
ClassNames = Annotated[tuple[str, ...], Strict(False), Field(min_length=1, max_length=8)]


@dataclass(frozen=True)
class Donors:
    """Training tiles that lend their defects.

    Attributes:
        classes: [C] names; class c is bit c of a mask.
        tile: generator, class number -> a random training tile that holds the class, (grey [h, w]
            uint8, bits [h, w] uint8) of the batch's size; None where there is none.
    """

    classes: tuple[str, ...]
    tile: Callable[[np.random.Generator, int], tuple[Grey, Bits] | None]

    def numbers(self, names: Sequence[str], key: str) -> list[int]:
        """Class numbers by name.

        Raises:
            DataError: the data set has no class of that name; `key` is where the spec says it.
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
        top: first row of its bounding box.
        left: first column of its bounding box.
        mask: [bh, bw] bool, where in the box it is.
        bit: of its class in a mask.
    """

    top: int
    left: int
    mask: npt.NDArray[np.bool_]
    bit: int


def pick_defect(bits: Bits, numbers: Sequence[int], draw: np.random.Generator) -> Defect | None:
    """Draw a class among those that the tile holds, then one of its components (8 neighbours).

    Args:
        bits: [h, w] labels of a tile.
        numbers: of the classes to choose from.
        draw: the source of both choices.

    Returns:
        The defect; None where the tile holds none of the classes.
    """
    present = int(np.bitwise_or.reduce(bits, axis=None))
    held = [number for number in numbers if present >> number & 1]
    if not held:
        return None
    bit = 1 << held[draw.integers(len(held))]
    # Numbering the components of a tile takes several times as long as finding the box to number.
    left, top, width, height = cv2.boundingRect(bits & np.uint8(bit))
    region = bits[top : top + height, left : left + width] & np.uint8(bit)
    count, marks, boxes, _ = cv2.connectedComponentsWithStats(region)
    chosen = int(draw.integers(1, count))
    x, y, width, height = boxes[chosen, :4].tolist()
    mask = marks[y : y + height, x : x + width] == chosen
    return Defect(top + y, left + x, mask, bit)
