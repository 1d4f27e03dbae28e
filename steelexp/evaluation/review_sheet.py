"""Contact sheet of a review: a row for each cell of the confusion of components."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from steelexp.overlays.legend import PAPER, TEXT, font_of
from steelexp.records.review import ExampleFile

WIDTH = 1800  # width of the sheet in pixels
HEIGHT = 120  # height of an example
GAP = 12
TITLE = 24  # height of a title
PER_CELL = 12
"""Most examples of a cell on the sheet."""


def review_sheet(cells: Sequence[tuple[str, Sequence[ExampleFile]]], folder: Path) -> Image.Image:
    """Arrange the examples of a review in rows with a title.

    Args:
        cells: Title and examples of each cell.
        folder: Folder of the review.
    """
    rows = [(title, _pictures(examples, folder)) for title, examples in cells]
    pitch = TITLE + HEIGHT + 2 * GAP
    sheet = Image.new("RGB", (WIDTH, pitch * len(rows) + GAP), PAPER)
    pen = ImageDraw.Draw(sheet)
    for number, (title, pictures) in enumerate(rows):
        top = GAP + number * pitch
        pen.text((GAP, top), title, TEXT, font_of(18))
        left = GAP
        for picture in pictures:
            if left + picture.width > WIDTH - GAP:
                break
            sheet.paste(picture, (left, top + TITLE))
            left += picture.width + GAP
    return sheet


def _pictures(examples: Sequence[ExampleFile], folder: Path) -> list[Image.Image]:
    pictures = []
    for example in examples[:PER_CELL]:
        with Image.open(folder / example.file) as picture:
            factor = min(HEIGHT / picture.height, (WIDTH - 2 * GAP) / picture.width)
            size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
            pictures.append(picture.resize(size, Image.Resampling.LANCZOS))
    return pictures
