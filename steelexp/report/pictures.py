"""Overlays as a page holds them: as many and as large as its bytes allow."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from steelexp.records.thumbnails import Thumbnail, Thumbnails
from steelexp.report.encoding import (
    HEAD,
    LEVELS,
    MOST,
    Encoded,
    Files,
    choose,
    encode_all,
    images_of,
    overlay_files,
)
from steelexp.report.runs import Run
from steelexp.report.thumbnails import thumbnails_of

BYTES: Final = 3_200_000  # of all pictures of a page, as text: a page stays below 5 MB with them


Encodings = Mapping[str, Mapping[int, Encoded | Thumbnail]]
"""Image -> epoch -> picture."""


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
    At the last level they are the thumbnails that the run left.
    """
    files = overlay_files(run.folder.path / "overlays")
    if not files:
        return None
    small = thumbnails_of(run.folder, files, run.best_epoch)
    encoded = _encoded(files, small, room, run.best_epoch)
    by_image = {
        image: tuple(
            Picture(epoch, f"{HEAD}{each.data}", each.width, each.height)
            for epoch, each in sorted(by_epoch.items())
        )
        for image, by_epoch in encoded.items()
        if by_epoch
    }
    epochs = sorted({p.epoch for pictures in by_image.values() for p in pictures})
    if not epochs:
        return None
    first = run.best_epoch if run.best_epoch in epochs else epochs[-1]
    left_out = ""
    images = len(images_of(files))
    if (len(by_image), len(epochs)) != (images, len(files)):
        left_out = (
            f"{len(by_image)} of {images} images and {len(epochs)} of {len(files)} epochs, to keep "
            "this small"
        )
    return Gallery(tuple(epochs), first, by_image, left_out)


def _encoded(files: Files, small: Thumbnails, room: int, best: int | None) -> Encodings:
    """The pictures at the best level at which all have room, else some at the last."""
    images = images_of(files)
    epochs = sorted(files)
    total = len(images) * len(epochs)
    for level, each in zip(LEVELS[:-1], small.largest, strict=False):
        if each * total <= room and total <= MOST:
            encoded: Encodings = encode_all(files, images, epochs, level)
            if sum(_sizes(encoded)) <= room:  # the largest file need not be the largest picture
                return encoded
    epochs = sorted({epoch for by_epoch in small.pictures.values() for epoch in by_epoch})
    if not epochs:
        return {}
    count = min(room // max(_sizes(small.pictures)), MOST)
    images, epochs = choose(list(small.pictures), epochs, count, best=best)
    return {
        image: {
            epoch: small.pictures[image][epoch]
            for epoch in epochs
            if epoch in small.pictures[image]
        }
        for image in images
    }


def _sizes(encoded: Encodings) -> list[int]:
    return [
        len(HEAD) + len(each.data) for by_epoch in encoded.values() for each in by_epoch.values()
    ]
