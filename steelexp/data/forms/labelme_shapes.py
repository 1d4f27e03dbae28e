"""The shapes of labelme, as pixels and back."""

import base64
import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from steelexp.data.forms.bitmaps import bitmap_size, decode_bitmap, encode_bitmap
from steelexp.data.forms.json_files import ClassName, FormModel
from steelexp.data.forms.shapes import (
    Mask,
    Patch,
    ShapeError,
    Size,
    components,
    draw_lines,
    fill_circle,
    fill_polygons,
    fill_rectangle,
    outlines,
    place,
    points_of,
    ring_of,
)


class Shape(FormModel):
    """A shape of a file of labelme."""

    label: ClassName
    points: Any
    shape_type: ClassName | None = None
    mask: str | None = None


def drawing(shape: Shape, line_width: int | None) -> Callable[[Size], Patch]:
    """Function size -> mask of a shape.

    Raises:
        ShapeError: Its type has no pixels, or its points do not fit its type.
    """
    kind = shape.shape_type or "polygon"  # files of versions before 3 have no type
    if kind in ("polygon", "oriented_rectangle"):
        return functools.partial(fill_polygons, [ring_of(shape.points)])
    if kind not in ("rectangle", "circle", "mask", "line", "linestrip"):
        raise ShapeError(
            f"a shape of type {kind} has no pixels; draw a polygon, rectangle, circle or mask"
        )
    points = points_of(shape.points)
    if len(points) < 2 or (len(points) > 2 and kind != "linestrip"):
        raise ShapeError(f"a {kind} of {len(points)} points; it needs 2")
    if kind == "rectangle":
        return functools.partial(fill_rectangle, points)
    if kind == "circle":
        radius = float(np.hypot(*(points[1] - points[0])))
        return functools.partial(fill_circle, points[0], radius)
    if kind == "mask":
        return _bitmap_drawing(shape.mask, points)
    if line_width is None:
        raise ShapeError(f"a {kind} has no width; set data.line_width to one in pixels")
    return functools.partial(draw_lines, points, line_width)


def _bitmap_drawing(mask: str | None, points: npt.NDArray[np.float64]) -> Callable[[Size], Patch]:
    """Function size -> mask of a bitmap in a box whose corners belong to it."""
    left, top, right, bottom = points.astype(int).ravel().tolist()
    try:
        content = base64.b64decode(mask or "", validate=True)
    except ValueError:
        raise ShapeError("its mask is not in base64") from None
    height, width = bitmap_size(content)
    if (height, width) != (bottom - top + 1, right - left + 1):
        raise ShapeError(
            f"its mask has {height} x {width} pixels, its box {bottom - top + 1} x "
            f"{right - left + 1} (height x width)"
        )
    return lambda size: place(decode_bitmap(content), left, top, size)


def shapes_of(label: str, mask: Mask, polygons: bool) -> Iterator[dict[str, Any]]:
    """Shapes of the connected components of a mask."""
    rest: dict[str, Any] = {"group_id": None, "description": "", "flags": {}}
    if polygons:
        for ring in outlines(mask):
            yield {"label": label, "points": ring.tolist(), "shape_type": "polygon", **rest}
        return
    for part, left, top in components(mask):
        box = [[left, top], [left + part.shape[1] - 1, top + part.shape[0] - 1]]
        data = encode_bitmap(part)
        shape = {"label": label, "points": box, "shape_type": "mask", **rest}
        yield shape | {"mask": base64.b64encode(data).decode()}
