"""Image files of a prediction, from files, folders and glob patterns."""

import glob
import os.path
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from steelexp.data.data_error import raise_if
from steelexp.data.image_files import SUFFIXES, list_images, say_passed_over
from steelexp.file_names import short_name


class ImageFile(NamedTuple):
    """One image file.

    Attributes:
        name: File name; for an image in a folder, its path below the folder with slashes.
        path: Path of the file.
        problem: Why it cannot be read, if that is known beforehand.
    """

    name: str
    path: Path
    problem: str = ""

    @property
    def picture(self) -> str:
        """Path of its mask and its overlay, below their folders."""
        return str(Path(self.name).with_suffix(".png"))


def image_files(patterns: Sequence[str]) -> list[ImageFile]:
    """Find all images, each once, sorted by name.

    Args:
        patterns: Files, folders (searched recursively) and globs such as "line1/*.jpg".

    Raises:
        DataError: A path does not exist, a folder or glob has no images, or two images have the
            same name, so that their masks would be one file. All are listed.
    """
    problems = []
    by_path: dict[str, ImageFile] = {}
    for pattern in patterns:
        images = list(_matching_images(pattern))
        if not images:
            problems.append(_no_images_message(pattern))
        for image in images:
            by_path.setdefault(os.path.abspath(image.path), image)  # noqa: PTH100  # keeps symbolic links
    raise_if(problems)
    by_picture: dict[str, ImageFile] = {}
    for image in sorted(by_path.values()):
        first = by_picture.setdefault(image.picture.casefold(), image)
        if first is not image:
            problems.append(
                f"{first.path} and {image.path} would have one mask, {image.picture}; predict them "
                "apart, each with its own --out"
            )
    raise_if(problems)
    return list(by_picture.values())


def _matching_images(pattern: str) -> Iterator[ImageFile]:
    path = Path(pattern)
    if path.is_dir():
        listing = list_images(path, recursive=True)
        say_passed_over(listing, path)
        for name, file in listing.paths.items():
            yield ImageFile(name, file)
        for printable_name, problem in listing.problems.items():
            yield ImageFile(Path(printable_name).name, Path(printable_name), problem)
    elif path.is_file() or path.is_symlink():
        yield ImageFile(path.name, path)
    else:
        for file in map(Path, glob.glob(pattern, recursive=True)):  # noqa: PTH207  # absolute patterns too
            if file.is_file() or file.is_symlink():
                yield ImageFile(file.name, file)


def _no_images_message(pattern: str) -> str:
    if Path(pattern).is_dir():
        suffixes = ", ".join(sorted(SUFFIXES))
        return f"{pattern}: no images in this folder; images end in {suffixes}"
    if glob.has_magic(pattern):
        return f"{pattern}: no file matches"
    return f"{pattern}: no such file or folder"


def group_name(patterns: Sequence[str]) -> str:
    """A name for a set of images, after its first file, folder or glob's folder."""
    path = Path(patterns[0])
    if glob.has_magic(patterns[0]) and not path.exists():
        fixed = [part for part in path.parts if not glob.has_magic(part)]
        path = Path(*fixed) if fixed else Path()
    resolved = path.resolve()
    first = resolved.name if resolved.is_dir() else resolved.stem
    rest = len(patterns) - 1
    return short_name((first or "images") + (f"_and_{rest}_more" if rest else ""))
