"""The band below an overlay: title and legend."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from steelexp.palette import INK, RGB, rgb

PAPER: Final = (255, 255, 255)
TEXT: Final = rgb(INK)
FAINT: Final = (150, 150, 150)
STEEL: Final = (150, 150, 150)  # background of a swatch
FILL_OPACITY: Final = 0.45
ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"


@dataclass(frozen=True)
class Entry:
    """One entry of the legend; it is faint if it is neither outlined nor filled."""

    text: str
    colour: RGB
    outlined: bool
    filled: bool


def band(entries: list[Entry], *, width: int, title: str) -> Image.Image:
    """Draw the title at the left, and the legend beside it, or below it if there is no room.

    Args:
        entries: Entries of the legend, in order.
        width: Width in pixels; the font grows with it, from 18 pixels.
        title: Title; a long one is shortened with an ellipsis.

    Returns:
        RGB picture of this width. Its height depends on `width` and the texts of the entries only.
    """
    size = max(18, width // 66)
    font = font_of(size)
    entries = [replace(e, text=_shorten(e.text, width - 5 * size, font)) for e in entries]
    widths = [int(_length(entry.text, size)) + 3 * size for entry in entries]
    positions = _flow(widths, width - size)
    is_beside = sum(widths) <= 0.6 * width
    if is_beside:
        positions = [(left + width - sum(widths), -1) for left, _ in positions]

    pitch = 7 * size // 4
    picture = Image.new("RGB", (width, pitch * (positions[-1][1] + 2) + size // 2), PAPER)
    pen = ImageDraw.Draw(picture)
    middle = (size // 2 + pitch) // 2
    room = width - size - is_beside * sum(widths)
    pen.text((size // 2, middle), _shorten(title, room, font), TEXT, font, anchor="lm")
    for entry, (left, line) in zip(entries, positions, strict=True):
        _draw_entry(pen, entry, (left + size // 2, middle + pitch * (line + 1)), font)
    return picture


def blend(under: RGB, over: RGB) -> RGB:
    """Lay a translucent colour over another: (1 - opacity) * under + opacity * over."""
    red, green, blue = (
        round((1 - FILL_OPACITY) * low + FILL_OPACITY * high)
        for low, high in zip(under, over, strict=True)
    )
    return red, green, blue


def _flow(widths: list[int], room: int) -> list[tuple[int, int]]:
    """Positions (left, line) of entries of these widths, in lines of at most `room` pixels."""
    positions = []
    left = line = 0
    for width in widths:
        if left and left + width > room:
            left = 0
            line = line + 1
        positions.append((left, line))
        left += width
    return positions


def _draw_entry(
    pen: ImageDraw.ImageDraw, entry: Entry, position: tuple[int, int], font: ImageFont.FreeTypeFont
) -> None:
    """Draw a swatch that looks like a defect on steel, and the text to its right."""
    left, middle = position
    tall = int(0.4 * font.size)
    box = (left, middle - tall, left + 3 * tall, middle + tall)
    present = entry.outlined or entry.filled
    if entry.filled:
        pen.rectangle(box, blend(STEEL, entry.colour))
    if entry.outlined:
        pen.rectangle(box, outline=entry.colour, width=max(2, tall // 3))
    elif not present:
        pen.rectangle(box, outline=blend(PAPER, entry.colour))
    text_at = (left + 4 * tall, middle)
    pen.text(text_at, entry.text, TEXT if present else FAINT, font, anchor="lm")


def font_of(size: int) -> ImageFont.FreeTypeFont:
    """The font of all pictures in a size in pixels."""
    font = ImageFont.load_default(size=size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("this Pillow was built without FreeType; install Pillow's own wheel")
    return font


@lru_cache(maxsize=1024)
def _length(text: str, size: int) -> float:
    """Width of a text in pixels; names of classes come again with each image."""
    return font_of(size).getlength(text)


def _shorten(text: str, room: float, font: ImageFont.FreeTypeFont) -> str:
    """Shorten the text with an ellipsis until it is at most `room` pixels wide."""
    if _length(text, int(font.size)) <= room:
        return text
    lengths = range(1, len(text))
    length = bisect_right(lengths, room, key=lambda n: font.getlength(text[:n] + ELLIPSIS))
    return text[:length].rstrip() + ELLIPSIS
