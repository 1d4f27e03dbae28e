"""List the images of a folder."""

import os
from collections.abc import Iterable
from pathlib import Path

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


def list_images(folder: Path, *, recursive: bool = False) -> dict[str, Path]:
    """Images of a folder by name, sorted; a name is the path below the folder, with slashes.

    Args:
        folder: Folder; hidden files and folders in it are left out.
        recursive: Whether images in subfolders are listed as well.
    """
    paths = {}
    for parent, folders, files in os.walk(folder):
        folders[:] = [inner for inner in folders if recursive and not inner.startswith(".")]
        for file in files:
            path = Path(parent, file)
            if path.suffix.lower() in SUFFIXES and not file.startswith("."):
                paths[path.relative_to(folder).as_posix()] = path
    return dict(sorted(paths.items()))


def similar_name(name: str, names: Iterable[str]) -> str:
    """Hint at a name of other case, suffix or spaces; "" if there is none."""
    by_stem = {_stem(other): other for other in names}
    other = by_stem.get(_stem(name))
    return f"; did you mean {other}?" if other else ""


def _stem(name: str) -> str:
    return str(Path(name.strip().casefold()).with_suffix("")) if name.strip() else ""
