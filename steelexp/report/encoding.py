"""Overlays as a page holds them: shrunk, encoded, and spread over the epochs."""

import base64
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from PIL import Image

HEAD: Final = "data:image/webp;base64,"
LEVELS: Final = ((300_000, 62), (200_000, 58), (130_000, 52), (85_000, 46))
"""Pixels and WebP quality of a picture, the best first. At 85,000 pixels, 660 x 128 of an image,
outlines can still be told from fills."""
MOST: Final = 120  # pictures of one run: a page is written in seconds
FEW_EPOCHS: Final = 4  # are kept before images are left out

Files = dict[int, dict[str, Path]]
"""Epoch -> image -> overlay."""


class Encoded(NamedTuple):
    """A picture as text.

    Attributes:
        data: WebP image as base64; "" where the file is not a whole picture.
        width: Width in pixels.
        height: Height in pixels.
    """

    data: str
    width: int
    height: int


def overlay_files(folder: Path) -> Files:
    """The overlays of a run.

    Args:
        folder: Folder overlays/ of a run folder.
    """
    by_epoch: Files = {}
    for file in sorted(folder.glob("epoch_*/*.png")):
        number = file.parent.name.removeprefix("epoch_")
        if number.isdigit():
            by_epoch.setdefault(int(number), {})[file.stem] = file
    return by_epoch


def images_of(files: Files) -> list[str]:
    """The images that have an overlay in every epoch; without one, those of the last epoch."""
    return sorted(set.intersection(*map(set, files.values())) or files[max(files)])


def largest_file(files: Files) -> Path:
    """The largest overlay of the last epoch."""
    last = files[max(files)]
    return max((last[name] for name in images_of(files)), key=lambda file: file.stat().st_size)


def choose(
    images: Sequence[str], epochs: Sequence[int], count: int, *, best: int | None
) -> tuple[list[str], list[int]]:
    """Images and epochs of at most `count` pictures: fewer epochs first, then fewer images."""
    some = list(images[: max(1, min(len(images), count // min(len(epochs), FEW_EPOCHS)))])
    return some, spread(epochs, count // len(some), always=best)


def spread(epochs: Sequence[int], count: int, *, always: int | None) -> list[int]:
    """At most `count` of the epochs, evenly, with the last one and, if it is there, `always`."""
    if count >= len(epochs):
        return list(epochs)
    if count < 1:
        return []
    wanted = [epochs[-1]] if always is None or always not in epochs else [always, epochs[-1]]
    subset = set(wanted[:count])
    rest = [epoch for epoch in epochs if epoch not in subset]
    left = count - len(subset)
    subset |= {rest[n * (len(rest) - 1) // max(1, left - 1)] for n in range(left)}
    return sorted(subset)


def encode_all(
    files: Files, images: Sequence[str], epochs: Sequence[int], level: tuple[int, int]
) -> dict[str, dict[int, Encoded]]:
    """Encode some overlays, by image and epoch; broken ones are left out."""
    wanted = [(s, e, files[e][s]) for s in images for e in epochs if s in files[e]]
    with ThreadPoolExecutor(2) as pool:  # Pillow lets go of the interpreter while it works
        encoded = list(pool.map(lambda each: encode(each[2], level), wanted))
    by_image: dict[str, dict[int, Encoded]] = {}
    for (image, epoch, _), picture in zip(wanted, encoded, strict=True):
        if picture.data:
            by_image.setdefault(image, {})[epoch] = picture
    return by_image


def encode(file: Path, level: tuple[int, int]) -> Encoded:
    """Shrink and encode an overlay."""
    pixels, quality = level
    try:
        with Image.open(file) as opened:
            picture = opened.convert("RGB")
    except (OSError, SyntaxError):  # what Pillow raises of broken PNGs
        return Encoded("", 0, 0)
    shrink = min(1.0, (pixels / (picture.width * picture.height)) ** 0.5)
    size = (max(1, round(picture.width * shrink)), max(1, round(picture.height * shrink)))
    picture = picture.resize(size, Image.Resampling.LANCZOS) if shrink < 1.0 else picture
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=quality, method=4)
    return Encoded(base64.b64encode(out.getvalue()).decode(), *size)
