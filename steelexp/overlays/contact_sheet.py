"""Some pictures on one sheet."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from steelexp.overlays.legend import PAPER

WIDTH = 1800  # pixels of the sheet
GAP = 12


def choose_images(
    pixels: npt.NDArray[np.int64], candidates: npt.NDArray[np.int64], *, count: int = 12
) -> list[int]:
    """Choose images for the sheet.

    Of each class the image with most of it, the first clean one, then images spread over the rest.

    Args:
        pixels: [S, C] of every image and class.
        candidates: [K] numbers of the images that can be shown.
        count: how many at most.

    Returns:
        Numbers of images, ascending.
    """
    held = pixels[candidates]  # [K, C]
    most = [int(candidates[column.argmax()]) for column in held.T if column.any()]
    clean = candidates[~held.any(axis=1)][:1].tolist()
    found = list(dict.fromkeys([*most, *clean]))[:count]
    rest = np.setdiff1d(candidates, found)
    more = min(count - len(found), len(rest))
    spread = [int(rest[(2 * step + 1) * len(rest) // (2 * more)]) for step in range(more)]
    return sorted(found + spread)


def contact_sheet(paths: Sequence[Path]) -> Image.Image:
    """Pictures side by side and below one another, on a sheet of 1800 pixels width.

    Long images stand two in a row, square images four.

    Args:
        paths: of the pictures, in their order.
    """
    with Image.open(paths[0]) as first:
        columns = min(len(paths), 2 if first.width > 2 * first.height else 4)
    width = (WIDTH - GAP) // columns - GAP
    rows = [paths[i : i + columns] for i in range(0, len(paths), columns)]
    pictures = [[_narrowed(path, width) for path in row] for row in rows]
    heights = [max(picture.height for picture in row) for row in pictures]
    sheet = Image.new("RGB", (WIDTH, sum(heights) + GAP * (len(rows) + 1)), PAPER)
    top = GAP
    for row, height in zip(pictures, heights, strict=True):
        for column, picture in enumerate(row):
            sheet.paste(picture, (GAP + column * (width + GAP), top))
        top += height + GAP
    return sheet


def _narrowed(path: Path, width: int) -> Image.Image:
    with Image.open(path) as picture:
        height = round(picture.height * width / picture.width)
        return picture.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
