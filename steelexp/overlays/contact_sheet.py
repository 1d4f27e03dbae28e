"""Contact sheet: several pictures on one sheet."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from steelexp.overlays.legend import PAPER

WIDTH = 1800  # width of the sheet in pixels
GAP = 12


def choose_images(
    pixels: npt.NDArray[np.int64], candidates: npt.NDArray[np.int64], *, count: int = 12
) -> list[int]:
    """Choose images for the sheet.

    These are the image with the largest area of each class, the first clean image, and images
    spread evenly over the rest.

    Args:
        pixels: [S, C] pixels of every image and class.
        candidates: [K] rows of the images that can be chosen.
        count: Maximum number of images.

    Returns:
        Rows of the images, ascending.
    """
    candidate_pixels = pixels[candidates]  # [K, C]
    largest = [int(candidates[column.argmax()]) for column in candidate_pixels.T if column.any()]
    clean = candidates[~candidate_pixels.any(axis=1)][:1].tolist()
    choice = list(dict.fromkeys([*largest, *clean]))[:count]
    rest = np.setdiff1d(candidates, choice)
    count_left = min(count - len(choice), len(rest))
    spread = [
        int(rest[(2 * step + 1) * len(rest) // (2 * count_left)]) for step in range(count_left)
    ]
    return sorted(choice + spread)


def contact_sheet(paths: Sequence[Path]) -> Image.Image:
    """Arrange pictures in rows on a sheet of 1800 pixels width.

    Long images have two columns, square images four.

    Args:
        paths: Paths of the pictures, in order.
    """
    with Image.open(paths[0]) as first:
        columns = min(len(paths), 2 if first.width > 2 * first.height else 4)
    width = (WIDTH - GAP) // columns - GAP
    rows = [paths[i : i + columns] for i in range(0, len(paths), columns)]
    pictures = [[_resize(path, width) for path in row] for row in rows]
    heights = [max(picture.height for picture in row) for row in pictures]
    sheet = Image.new("RGB", (WIDTH, sum(heights) + GAP * (len(rows) + 1)), PAPER)
    top = GAP
    for row, height in zip(pictures, heights, strict=True):
        for column, picture in enumerate(row):
            sheet.paste(picture, (GAP + column * (width + GAP), top))
        top += height + GAP
    return sheet


def _resize(path: Path, width: int) -> Image.Image:
    with Image.open(path) as picture:
        height = round(picture.height * width / picture.width)
        return picture.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
