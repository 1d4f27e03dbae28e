"""The band below an overlay: its title, and what the colours, outlines and fills stand for."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from steelexp.palette import INK, RGB, rgb

PAPER: Final = (255, 255, 255)
TEXT: Final = rgb(INK)
FAINT: Final = (150, 150, 150)
STEEL: Final = (150, 150, 150)  # what a swatch is filled over
FILL_OPACITY: Final = 0.45
ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"


@dataclass(frozen=True)
class Entry:
    """One entry of the legend; neither outlined nor filled, it is printed faintly."""

    text: str
    colour: RGB
    outlined: bool
    filled: bool


def band(entries: list[Entry], *, width: int, title: str) -> Image.Image:
    """Draw the title at the left with the legend beside it, or below it where that is too tight.

    Args:
        entries: what the legend explains, in order.
        width: pixels; the letters grow with it, from 18 pixels on.
        title: shortened with an ellipsis where it is too long.

    Returns:
        An RGB picture, `width` pixels wide. Its height depends on `width` and on the texts of the
        entries only.
    """
    size = max(18, width // 66)
    font = _font(size)
    entries = [replace(e, text=_shorten(e.text, width - 5 * size, font)) for e in entries]
    widths = [int(font.getlength(entry.text)) + 3 * size for entry in entries]
    spots = _flow(widths, width - size)
    beside = sum(widths) <= 0.6 * width
    if beside:
        spots = [(left + width - sum(widths), -1) for left, _ in spots]

    pitch = 7 * size // 4
    picture = Image.new("RGB", (width, pitch * (spots[-1][1] + 2) + size // 2), PAPER)
    pen = ImageDraw.Draw(picture)
    middle = (size // 2 + pitch) // 2
    room = width - size - beside * sum(widths)
    pen.text((size // 2, middle), _shorten(title, room, font), TEXT, font, anchor="lm")
    for entry, (left, line) in zip(entries, spots, strict=True):
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
    """Where entries of these widths stand, as (left, line), when no line is wider than `room`."""
    spots = []
    left = line = 0
    for width in widths:
        if left and left + width > room:
            left, line = 0, line + 1
        spots.append((left, line))
        left += width
    return spots


def _draw_entry(
    pen: ImageDraw.ImageDraw, entry: Entry, place: tuple[int, int], font: ImageFont.FreeTypeFont
) -> None:
    """Draw a swatch of steel, marked as a defect would be, and the text to its right."""
    left, middle = place
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


def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size=size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("this Pillow was built without FreeType; install Pillow's own wheel")
    return font


def _shorten(text: str, room: float, font: ImageFont.FreeTypeFont) -> str:
    """Cut the text's end off, with an ellipsis in its place, until it is no wider than `room`."""
    if font.getlength(text) <= room:
        return text
    lengths = range(1, len(text))
    kept = bisect_right(lengths, room, key=lambda n: font.getlength(text[:n] + ELLIPSIS))
    return text[:kept].rstrip() + ELLIPSIS
