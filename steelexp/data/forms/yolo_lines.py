"""The lines of a text file of YOLO segmentation, as pixels and back."""

import functools
import os
from pathlib import Path

import numpy as np

from steelexp.data.forms.class_names import ClassBits, join_names
from steelexp.data.forms.reading import Area
from steelexp.data.forms.shapes import Patch, Ring, ShapeError, Size, fill_polygons, ring_of
from steelexp.data.issue import Issue
from steelexp.errors import reason
from steelexp.limits import LABEL_BYTES, LABEL_NAME
from steelexp.regular_file import read_regular_text


def read_lines(
    name: str, file: Path, numbered: dict[int, str], class_table: ClassBits
) -> tuple[list[Area], list[Issue]]:
    """Areas of a text file, none if it is absent; and the issues of its lines."""
    areas: list[Area] = []
    issues: list[Issue] = []
    if not os.path.lexists(file):
        return areas, issues
    try:
        lines = read_regular_text(file, LABEL_BYTES).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        return areas, [Issue("unreadable labels", file, None, f"cannot be read: {reason(error)}")]
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            continue
        is_number = words[0].isdecimal() and len(words[0]) < 10
        class_name = numbered.get(int(words[0])) if is_number else None
        if class_name is None or class_name not in class_table.bits:
            stated = words[0][:LABEL_NAME] if class_name is None else class_name
            text = (
                f"{name}: there is no class {stated!r}; known: {_describe(numbered, class_table)}"
            )
            issues.append(Issue("unknown class", file, number, text))
            continue
        try:
            ring = _ring(words[1:])
        except ShapeError as error:
            issues.append(Issue("invalid shape", file, number, f"{name}: {error}"))
            continue
        draw = functools.partial(_fill, ring)
        areas.append(Area(class_table.bits[class_name], f"line {number}", number, draw))
    return areas, issues


def _describe(numbered: dict[int, str], class_table: ClassBits) -> str:
    return join_names(f"{k} ({name})" for k, name in numbered.items() if name in class_table.bits)


def _ring(words: list[str]) -> Ring:
    """Vertices between 0 and 1.

    Raises:
        ShapeError: The words are a box, or no pairs of such numbers.
    """
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        raise ShapeError("a coordinate is not a number") from None
    if len(numbers) in (4, 5):
        raise ShapeError("a box and no polygon: it has no pixels; export segmentation labels")
    return ring_of(numbers)


def _fill(ring: Ring, size: Size) -> Patch:
    if ring.max() > 2:
        x, y = ring[np.argmax(ring.max(axis=1))].tolist()
        raise ShapeError(f"the point ({x:g}, {y:g}) is not normalised: x and y go from 0 to 1")
    return fill_polygons([ring * (size[1], size[0])], size)


def line_of(bit: int, ring: Ring, size: Size) -> str:
    """A polygon as a line; `size` is height and width of the image."""
    # 7 digits: a coordinate is exact to 0.01 pixels on an image of 100,000.
    numbers = " ".join(f"{number:.7g}" for number in (ring / (size[1], size[0])).ravel())
    return f"{bit} {numbers}\n"
