"""A sheet of the pairs of images nearest to the threshold of near-duplicates, on both sides."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from steelexp.data.doctor.near_duplicates import NearPair
from steelexp.plain_figure import plain_figure
from steelexp.records.atomic import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LONGEST = 34  # characters of a name
WIDE = 2.0  # aspect ratio from which on the two images of a pair are one above the other


def write_pair_sheet(pairs: Sequence[NearPair], names: Sequence[str], file: Path) -> Path:
    """Draw the near-duplicates on the left and the other pairs on the right, and save the picture.

    Args:
        pairs: Pairs to draw, at least one.
        names: Name of each image of the data set.
        file: Path of the PNG file.
    """
    content = io.BytesIO()
    draw_pairs(pairs, names).savefig(content, format="png")
    return write_atomically(file, content.getvalue())


def draw_pairs(pairs: Sequence[NearPair], names: Sequence[str]) -> "Figure":
    """The figure: a pair in a row, the more similar ones above."""
    sides = [[pair for pair in pairs if pair.near_duplicates is near] for near in (True, False)]
    rows = max(len(side) for side in sides)
    height, width = pairs[0].pictures[0].shape
    above = width >= WIDE * height
    figure = plain_figure(figsize=(12, 0.6 + rows * (1.9 if above else 1.7)), layout="constrained")
    columns = figure.add_gridspec(1, 2)
    halves = [figure.add_subfigure(columns[0, number]) for number in range(2)]
    titles = ("near-duplicates, the least similar", "other images, the most similar")
    for half, side, title in zip(halves, sides, titles, strict=True):
        half.suptitle(title if side else f"{title}: none")
        for row in range(rows):
            half.add_subplot(rows, 1, row + 1).axis("off")
        for axis, pair in zip(half.axes, side, strict=False):
            both = " and ".join(_shortened(names[number]) for number in (pair.a, pair.b))
            axis.set_title(f"{pair.similarity:.2f}  {both}", fontsize=7, parse_math=False)
            for picture, inset, edge in zip(pair.pictures, _insets(above), "EW", strict=True):
                cell = axis.inset_axes(inset, anchor="C" if above else edge)
                cell.imshow(picture, cmap="gray", vmin=0, vmax=255)
                cell.axis("off")
    return figure


def _insets(above: bool) -> list[tuple[float, float, float, float]]:
    """Left, bottom, width and height of two pictures within their axes."""
    if above:
        return [(0, 0.52, 1, 0.48), (0, 0, 1, 0.48)]
    return [(0, 0, 0.49, 1), (0.51, 0, 0.49, 1)]


def _shortened(name: str) -> str:
    return name if len(name) <= LONGEST else "…" + name[1 - LONGEST :]
