"""The images that are to be predicted: files, folders and globs."""

import glob
import os.path
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from steelexp.data.dataset import raise_if

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".tif", ".tiff", ".webp")
"""What is taken for an image in a folder; a file that is named itself may have any other."""


class ImageFile(NamedTuple):
    """One image.

    Attributes:
        name: of the file; of one that was found in a folder, the path from there, with slashes.
        path: where it lies.
    """

    name: str
    path: Path

    @property
    def picture(self) -> str:
        """Where its mask and its overlay lie below their folders."""
        return str(Path(self.name).with_suffix(".png"))

    @property
    def state(self) -> tuple[int, int]:
        """Bytes and time of the last change in nanoseconds; by this a changed image is known.

        Raises:
            OSError: it is not there.
        """
        status = self.path.stat()
        return status.st_size, status.st_mtime_ns


def image_files(words: Sequence[str]) -> list[ImageFile]:
    """Every image that is asked for, once, in the order of their names.

    Args:
        words: files, folders (searched to the bottom) and globs such as "line1/*.jpg".

    Raises:
        DataError: nothing is at a path, a folder or glob holds no image, or two images have one
            name, so that their masks would be one file (all are listed).
    """
    problems, found = [], dict[str, ImageFile]()
    for word in words:
        images = list(_images(word))
        if not images:
            problems.append(_absent(word))
        for image in images:
            found.setdefault(os.path.abspath(image.path), image)  # noqa: PTH100  # links are images, too
    raise_if(problems)
    by_picture: dict[str, ImageFile] = {}
    for image in sorted(found.values()):
        first = by_picture.setdefault(image.picture.casefold(), image)
        if first is not image:
            problems.append(
                f"{first.path} and {image.path} would have one mask, {image.picture}; predict them "
                "apart, each with its own --out"
            )
    raise_if(problems)
    return list(by_picture.values())


def _images(word: str) -> Iterator[ImageFile]:
    path = Path(word)
    if path.is_dir():
        for file in path.rglob("*"):
            below = file.relative_to(path)
            hidden = any(part.startswith(".") for part in below.parts)
            if file.suffix.lower() in SUFFIXES and not hidden and file.is_file():
                yield ImageFile(below.as_posix(), file)
    elif path.is_file():
        yield ImageFile(path.name, path)
    else:
        for file in map(Path, glob.glob(word, recursive=True)):  # noqa: PTH207  # absolute ones too
            if file.is_file():
                yield ImageFile(file.name, file)


def _absent(word: str) -> str:
    if Path(word).is_dir():
        return f"{word}: no images in this folder; images end in {', '.join(SUFFIXES)}"
    if glob.has_magic(word):
        return f"{word}: no file is like this"
    return f"{word}: no such file or folder"


def group_name(words: Sequence[str]) -> str:
    """A name for a set of images: that of its first file, folder or glob's folder."""
    path = Path(words[0])
    if glob.has_magic(words[0]) and not path.exists():
        fixed = [part for part in path.parts if not glob.has_magic(part)]
        path = Path(*fixed) if fixed else Path()
    resolved = path.resolve()
    first = resolved.name if resolved.is_dir() else resolved.stem
    rest = len(words) - 1
    return (first or "images") + (f"_and_{rest}_more" if rest else "")
