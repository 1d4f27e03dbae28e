"""What looks wrong with a mask that can be read."""

from collections.abc import Iterator

import numpy as np

from steelexp.data.dataset import Bits
from steelexp.data.doctor.extents import BLACK_GREY, BLACK_MASK, Extent
from steelexp.data.doctor.pixel_order import striped_by
from steelexp.data.doctor.rims import Rims, find_rims
from steelexp.data.issue import Issue
from steelexp.data.survey import LabelledImage, Survey


def mask_issues(
    image: LabelledImage, bits: Bits, extents: dict[int, Extent], files: Survey
) -> Iterator[Issue]:
    """Check a mask.

    Args:
        image: Image.
        bits: [H, W] mask, bit c set where class c is.
        extents: Labelled area by class number.
        files: Survey of the data set.
    """
    for c, extent in extents.items():
        if extent.pixels_on_black > BLACK_MASK * extent.pixels:
            yield _mask_on_black(image, c, extent)
        if files.has_runs and (ratio := striped_by((bits >> c & 1).astype(np.uint8))):
            yield _striped_mask(image, c, ratio)
    classes = [c for c in extents if files.classes is None or c < len(files.classes)]
    if len(classes) > 1:
        values = np.zeros(bits.shape, np.uint8)
        for c in classes:
            values[(bits >> c & 1).astype(bool)] = c + 1
        rims = find_rims(values)
        if rims.look_interpolated:
            yield _interpolated_mask(image, rims)


def _interpolated_mask(image: LabelledImage, rims: Rims) -> Issue:
    file, row = image.locate(rims.values[-1] - 1)
    text = (
        f"{image.name}: {rims.pixels} pixels of class {', '.join(map(str, rims.values))} are thin "
        "rims between a lower and a higher class, as scaling with interpolation makes them"
    )
    return Issue("interpolated mask", file, row, text)


def _mask_on_black(image: LabelledImage, c: int, extent: Extent) -> Issue:
    file, row = image.locate(c)
    text = (
        f"{image.name}: {extent.pixels_on_black} of the {extent.pixels} pixels of class {c + 1} "
        f"lie on black (grey of at most {BLACK_GREY} all around)"
    )
    return Issue("mask on black", file, row, text)


def _striped_mask(image: LabelledImage, c: int, ratio: float) -> Issue:
    file, row = image.locate(c)
    text = (
        f"{image.name}: class {c + 1} falls apart into stripes; with its runs counted along the "
        f"rows its border is {ratio:.0f} times shorter"
    )
    return Issue("runs along rows", file, row, text)
