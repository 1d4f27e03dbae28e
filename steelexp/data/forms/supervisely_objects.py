"""The objects of Supervisely, as pixels and back."""

import base64
import functools
import zlib
from collections.abc import Callable
from typing import Any

from steelexp.data.forms.bitmaps import bitmap_size, decode_bitmap, encode_bitmap
from steelexp.data.forms.json_files import ClassName, FormModel
from steelexp.data.forms.shapes import (
    Mask,
    Patch,
    ShapeError,
    Size,
    check_place,
    fill_polygons,
    fill_rectangle,
    place,
    points_of,
    ring_of,
)
from steelexp.limits import BITMAP_BYTES


class Object(FormModel):
    """An object of an annotation file."""

    classTitle: ClassName  # noqa: N815
    geometryType: ClassName | None = None  # noqa: N815
    points: Any = None
    bitmap: Any = None


def drawing(each: Object) -> Callable[[Size], Patch]:
    """Function size -> mask of an object.

    Raises:
        ShapeError: Its type has no pixels, or its data are not of its type.
    """
    kind = each.geometryType or ("bitmap" if each.bitmap else "polygon")  # older files lack it
    if kind == "bitmap":
        return _bitmap_drawing(each.bitmap)
    if kind not in ("polygon", "rectangle"):
        raise ShapeError(
            f"an object of type {kind} has no pixels; draw a bitmap, polygon or rectangle"
        )
    rings = each.points if isinstance(each.points, dict) else {}
    exterior = rings.get("exterior")
    interior = rings.get("interior") or []
    if kind == "rectangle":
        corners = points_of(exterior)
        if len(corners) != 2:
            raise ShapeError(f"a rectangle of {len(corners)} points; it needs 2")
        return functools.partial(fill_rectangle, corners)
    holes = [ring_of(hole) for hole in interior]
    return functools.partial(fill_polygons, [ring_of(exterior)], holes=holes)


def _bitmap_drawing(bitmap: Any) -> Callable[[Size], Patch]:
    """Function size -> mask of a bitmap: base64 of a compressed PNG, and its left upper corner."""
    try:
        left, top = (int(number) for number in bitmap["origin"])
        content = _inflated(base64.b64decode(bitmap["data"], validate=True))
    except ShapeError:
        raise
    except (TypeError, KeyError, ValueError, OverflowError):
        raise ShapeError("a bitmap needs data in base64, and origin as [x, y]") from None
    except zlib.error:
        raise ShapeError("the data of its bitmap are broken") from None
    bitmap_size(content)
    return lambda size: _placed(content, left, top, size)


def _placed(content: bytes, left: int, top: int, size: Size) -> Patch:
    height, width = bitmap_size(content)
    check_place((height, width), left, top, size)  # before a bitmap that is too large is decoded
    return place(decode_bitmap(content), left, top, size)


def _inflated(data: bytes) -> bytes:
    """Decompress up to the limit of a mask.

    Raises:
        ShapeError: There is more.
        zlib.error: The data are broken or cut short.
    """
    stream = zlib.decompressobj()
    content = stream.decompress(data, BITMAP_BYTES)
    if stream.unconsumed_tail:
        raise ShapeError(f"a bitmap of more than {BITMAP_BYTES:,} bytes; draw the object again")
    if not stream.eof:
        raise zlib.error("cut short")
    return content


def object_of(bit: int, title: str, part: Mask, left: int, top: int) -> dict[str, Any]:
    """The entry of a bitmap.

    Args:
        bit: Number of the class, from 0.
        title: Name of the class.
        part: Mask of the bitmap's box.
        left: First column of the box.
        top: First row of the box.
    """
    data = base64.b64encode(zlib.compress(encode_bitmap(part))).decode()
    return {
        "classId": bit + 1,
        "classTitle": title,
        "description": "",
        "geometryType": "bitmap",
        "tags": [],
        "bitmap": {"data": data, "origin": [left, top]},
    }
