"""The segmentations of COCO, as pixels and back."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from steelexp.data.forms import coco_rle
from steelexp.data.forms.shapes import (
    Mask,
    Patch,
    ShapeError,
    Size,
    components,
    fill_polygons,
    outlines,
    ring_of,
)


def drawing(segmentation: Any) -> Callable[[Size], Patch]:
    """Function size -> mask of a segmentation.

    Raises:
        ShapeError: It is neither polygons nor a run-length code.
    """
    if isinstance(segmentation, dict):
        counts: Any = segmentation.get("counts")
        size: Any = segmentation.get("size")
        is_code = isinstance(counts, str) or _are_whole_numbers(counts)
        if not is_code or not _are_whole_numbers(size) or len(size) != 2:
            raise ShapeError("an RLE needs counts, and size as [height, width]")
        return functools.partial(_decode, counts, (size[0], size[1]))
    if not segmentation or not isinstance(segmentation, list):
        raise ShapeError("a box without a segmentation has no pixels; draw polygons or a mask")
    rings = [ring_of(numbers) for numbers in segmentation]
    return functools.partial(fill_polygons, rings)


def _are_whole_numbers(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int for value in values)


def _decode(counts: list[int] | str, stated: Size, size: Size) -> Patch:
    if stated != size:
        raise ShapeError(
            f"RLE for {stated[0]} x {stated[1]} pixels, the image has {size[0]} x {size[1]}"
        )
    return coco_rle.decode_patch(counts, size)


def segmentations(mask: Mask, polygons: bool) -> list[tuple[Any, list[int], int]]:
    """Segmentation, box (left, top, width, height) and pixels of each connected component."""
    size = mask.shape
    entries = []
    for patch in components(mask):
        part, left, top = patch
        if polygons:
            rings = [
                (ring + np.array([left, top])).astype(int).ravel().tolist()
                for ring in outlines(part)
            ]
        whole = patch.paste((size[0], size[1]))
        code = {"size": list(size), "counts": coco_rle.encode(whole)}
        box = [left, top, part.shape[1], part.shape[0]]
        entries.append((rings if polygons else code, box, int(np.count_nonzero(part))))
    return entries
