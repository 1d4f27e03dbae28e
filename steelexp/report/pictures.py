"""Overlays as a page holds them: thinned, shrunk and encoded until they keep to their bytes."""

import base64
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from PIL import Image

from steelexp.report.runs import Run

BYTES: Final = 3_200_000  # of all pictures of a page, as text: a page stays below 5 MB with them
LEVELS: Final = ((300_000, 62), (200_000, 58), (130_000, 52), (85_000, 46))
"""Pixels and WebP quality of a picture, the best first. At 85,000 pixels, 660 x 128 of an image,
outlines can still be told from fills."""
MOST: Final = 120  # pictures of one run: a page is written in seconds
FEW_EPOCHS: Final = 4  # are kept before images are left out


class Picture(NamedTuple):
    """One image after one epoch.

    Attributes:
        epoch: Number of the epoch, from 1.
        uri: Data URI, "data:image/webp;base64,...".
        width: Width in pixels.
        height: Height in pixels.
    """

    epoch: int
    uri: str
    width: int
    height: int


class Gallery(NamedTuple):
    """The overlays of a run.

    Attributes:
        epochs: Epochs in the gallery, ascending.
        first_epoch: Epoch that is seen first.
        images: Image name -> its pictures by epoch.
        left_out: Note on what is left out, or "".
    """

    epochs: tuple[int, ...]
    first_epoch: int
    images: dict[str, tuple[Picture, ...]]
    left_out: str


def gallery(run: Run, room: int) -> Gallery | None:
    """The overlays of a run in at most `room` bytes of text; None where there are none, or no room.

    As many as there are at the best level that holds them; else fewer epochs, then fewer images.
    """
    there = _overlays(run.folder.path / "overlays")
    if not there:
        return None
    epochs = sorted(there)
    images = sorted(set.intersection(*map(set, there.values())) or there[epochs[-1]])
    largest = max(
        (there[epochs[-1]][name] for name in images), key=lambda file: file.stat().st_size
    )
    for level in LEVELS:
        each = max(1, len(_encoded(largest, level)[0]))
        if each * len(images) * len(epochs) <= room and len(images) * len(epochs) <= MOST:
            break
    count = min(room // each, MOST)
    some_images = images[: max(1, min(len(images), count // min(len(epochs), FEW_EPOCHS)))]
    some_epochs = spread(epochs, count // len(some_images), always=run.best_epoch)
    by_image = _pictures(there, some_images, some_epochs, level)
    while sum(len(p.uri) for pictures in by_image.values() for p in pictures) > room:
        by_image.popitem()
    if not some_epochs or not by_image:
        return None
    first = run.best_epoch if run.best_epoch in some_epochs else some_epochs[-1]
    return Gallery(
        tuple(some_epochs),
        first,
        by_image,
        _left_out(len(images), len(epochs), by_image, some_epochs),
    )


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


def _overlays(folder: Path) -> dict[int, dict[str, Path]]:
    """Epoch -> image -> file."""
    by_epoch: dict[int, dict[str, Path]] = {}
    for file in sorted(folder.glob("epoch_*/*.png")):
        number = file.parent.name.removeprefix("epoch_")
        if number.isdigit():
            by_epoch.setdefault(int(number), {})[file.stem] = file
    return by_epoch


def _pictures(
    there: dict[int, dict[str, Path]],
    images: Sequence[str],
    epochs: Sequence[int],
    level: tuple[int, int],
) -> dict[str, tuple[Picture, ...]]:
    wanted = [(s, e, there[e][s]) for s in images for e in epochs if s in there[e]]
    with ThreadPoolExecutor(2) as pool:  # Pillow lets go of the interpreter while it works
        encodings = list(pool.map(lambda each: _encoded(each[2], level), wanted))
    by_image: dict[str, tuple[Picture, ...]] = {}
    for (image, epoch, _), (uri, width, height) in zip(wanted, encodings, strict=True):
        if uri:
            by_image[image] = (
                *by_image.get(image, ()),
                Picture(epoch, uri, width, height),
            )
    return by_image


def _encoded(file: Path, level: tuple[int, int]) -> tuple[str, int, int]:
    """A picture as text, its width and height; empty where the file is not a whole picture."""
    pixels, quality = level
    try:
        with Image.open(file) as opened:
            picture = opened.convert("RGB")
    except (OSError, SyntaxError):  # what Pillow raises of broken PNGs
        return "", 0, 0
    shrink = min(1.0, (pixels / (picture.width * picture.height)) ** 0.5)
    size = (max(1, round(picture.width * shrink)), max(1, round(picture.height * shrink)))
    picture = picture.resize(size, Image.Resampling.LANCZOS) if shrink < 1.0 else picture
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=quality, method=4)
    return f"data:image/webp;base64,{base64.b64encode(out.getvalue()).decode()}", *size


def _left_out(
    images: int,
    epochs: int,
    by_image: dict[str, tuple[Picture, ...]],
    some_epochs: Sequence[int],
) -> str:
    if len(by_image) == images and len(some_epochs) == epochs:
        return ""
    return (
        f"{len(by_image)} of {images} images and {len(some_epochs)} of {epochs} epochs, to keep "
        "this small"
    )
