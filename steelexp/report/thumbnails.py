"""Thumbnails of a run's overlays: those that it left, those in the cache, or new ones."""

import json
from contextlib import suppress
from pathlib import Path

from steelexp.checksum import hash_bytes
from steelexp.data.cache_root import cache_root
from steelexp.errors import UserError, reason
from steelexp.progress import say
from steelexp.records.store import RunFolder
from steelexp.records.thumbnails import (
    FILE,
    Thumbnail,
    Thumbnails,
    read_thumbnails,
    write_thumbnails,
)
from steelexp.report.encoding import (
    HEAD,
    LEVELS,
    MOST,
    Files,
    choose,
    encode,
    encode_all,
    images_of,
    largest_file,
    overlay_files,
)


def keep_thumbnails(folder: RunFolder, best_epoch: int) -> None:
    """Write the thumbnails of a run that ends; an error here fails no run.

    Args:
        folder: Run folder.
        best_epoch: Epoch whose pictures are kept in any case.
    """
    files = overlay_files(folder.path / "overlays")
    if not files:
        return
    try:
        write_thumbnails(folder.path / FILE, _made(files, best_epoch))
    except Exception as error:
        why = f"{type(error).__name__}: {reason(error)}"
        say(f"No thumbnails could be written ({why}); the first page of many runs makes them")


def thumbnails_of(folder: RunFolder, files: Files, best_epoch: int | None) -> Thumbnails:
    """The thumbnails of a run.

    Runs of earlier versions have none. Theirs are made once and kept in the cache, because the
    folder of a finished run stays as it is.

    Args:
        folder: Run folder.
        files: Its overlays.
        best_epoch: Epoch whose pictures are kept in any case; None where it is not known.
    """
    sources = _sources(files)
    key = hash_bytes(json.dumps([folder.path.name, sources]).encode())
    copy = cache_root() / "thumbnails" / f"{key}.json"
    for file in (folder.path / FILE, copy):
        try:
            if (thumbnails := read_thumbnails(file, sources)) is not None:
                return thumbnails
        except UserError as error:
            say(str(error))
    thumbnails = _made(files, best_epoch)
    with suppress(OSError):  # a cache that cannot be written
        write_thumbnails(copy, thumbnails)
    return thumbnails


def _sources(files: Files) -> dict[str, int]:
    """Overlay -> its size in bytes."""
    return {
        f"{epoch}/{image}": file.stat().st_size
        for epoch, by_image in files.items()
        for image, file in by_image.items()
    }


def _made(files: Files, best_epoch: int | None) -> Thumbnails:
    largest: Path = largest_file(files)
    images, epochs = choose(images_of(files), sorted(files), MOST, best=best_epoch)
    encoded = encode_all(files, images, epochs, LEVELS[-1])
    return Thumbnails(
        sources=_sources(files),
        largest=[len(HEAD) + len(encode(largest, level).data) for level in LEVELS[:-1]],
        pictures={
            image: {epoch: Thumbnail(**each._asdict()) for epoch, each in by_epoch.items()}
            for image, by_epoch in encoded.items()
        },
    )
