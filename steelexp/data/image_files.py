"""List the image files of a folder, the same way for every data source, the doctor and `predict`.

A file is an image by its suffix. Hidden files, files of other suffixes, the results of steelexp and
folders of thumbnails or deleted files are passed over and counted, so that nothing is left out in
silence.
"""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from steelexp.data.data_error import DataError
from steelexp.progress import say

_TYPES = """apng avif bmp dib exr gif hdr j2k jfif jp2 jpc jpe jpeg jpg jpx mpo pbm pcx pfm pgm pic
png pnm ppm qoi ras sgi sr tga tif tiff webp"""
SUFFIXES = frozenset(f".{name}" for name in _TYPES.split())
"""Suffixes of the types that OpenCV or Pillow reads; a file that is named may have any suffix."""

RESULTS = ("prediction.json", "record.json", "epochs.jsonl", "search.json", "doctor.json")
"""A folder with one of these files holds results of steelexp, and no input."""

SYSTEM_FOLDERS = ("@eadir", "#recycle", "$recycle.bin", "__macosx")
"""Folders, in small letters, in which Synology, Windows and macOS keep thumbnails, deleted files
and attributes; their images are no input."""

HIDDEN = "hidden files"
OWN_RESULTS = "folders of results"
SYSTEM = "folders of thumbnails or deleted files"


@dataclass(frozen=True)
class ImageList:
    """The images of a folder.

    Attributes:
        paths: Path by name, sorted; a name is the path below the folder, with slashes.
        passed_over: Number of files that are no images, by suffix, and of hidden files, folders of
            results and folders of the system.
        problems: Why a file or a folder cannot be listed, by path in readable form.
    """

    paths: dict[str, Path] = field(default_factory=dict)
    passed_over: Counter[str] = field(default_factory=Counter)
    problems: dict[str, str] = field(default_factory=dict)

    def describe_passed_over(self) -> str:
        """Example: "passed over: 8 of .json, 1 hidden files"; "" if there is nothing."""
        parts = [
            f"{count} {what}" if what in (HIDDEN, OWN_RESULTS, SYSTEM) else f"{count} of {what}"
            for what, count in sorted(self.passed_over.items())
        ]
        return f"passed over: {', '.join(parts)}" if parts else ""


def list_images(folder: Path, *, recursive: bool = False) -> ImageList:
    """List the images of a folder.

    Links to nowhere and files that cannot be read are listed, too: whoever reads them names them.

    Args:
        folder: Folder.
        recursive: Whether images in subfolders are listed as well.

    Raises:
        DataError: The folder cannot be read.
    """
    images = ImageList()
    visits: set[tuple[int, int]] = set()
    for path in sorted(_files(folder, recursive, images, visits)):
        name = path.relative_to(folder).as_posix()
        if path.name.startswith("."):
            images.passed_over[HIDDEN] += 1
        elif path.suffix.lower() not in SUFFIXES:
            images.passed_over[path.suffix.lower() or "no suffix"] += 1
        elif (printable_name := readable(name)) != name:
            images.problems[f"{readable(str(folder))}/{printable_name}"] = (
                "the name is not UTF-8; rename it, for Latin-1: convmv -f latin1 -t utf8 --notest"
            )
        else:
            images.paths[name] = path
    return images


def say_passed_over(images: ImageList, folder: Path) -> None:
    """Print how many files of a folder are no images, if there are any."""
    if text := images.describe_passed_over():
        say(f"{folder}: {text}")


def _files(
    folder: Path, recursive: bool, images: ImageList, visits: set[tuple[int, int]]
) -> Iterator[Path]:
    """The files below a folder; each folder once, and no folder of results below the first."""
    is_first = not visits
    try:
        status = folder.stat()
        entries = list(os.scandir(folder))
    except OSError as error:
        if is_first:
            raise DataError(f"{folder}: the folder cannot be read: {error.strerror}") from None
        images.problems[readable(str(folder))] = f"the folder cannot be read: {error.strerror}"
        return
    if (identity := (status.st_dev, status.st_ino)) in visits:  # a link to a folder above
        return
    visits.add(identity)
    if not is_first and any(entry.name in RESULTS for entry in entries):
        images.passed_over[OWN_RESULTS] += 1
        return
    for entry in entries:
        if not Path(entry.path).is_dir():  # where entry.is_dir() raises for a link to itself
            yield Path(entry.path)
        elif recursive and entry.name.startswith("."):
            images.passed_over[HIDDEN] += 1
        elif recursive and entry.name.lower() in SYSTEM_FOLDERS:
            images.passed_over[SYSTEM] += 1
        elif recursive:
            yield from _files(Path(entry.path), recursive, images, visits)


def readable(name: str) -> str:
    """A name that can be printed: bytes that are not UTF-8 become escapes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def similar_name(name: str, names: Iterable[str]) -> str:
    """Hint at a name that looks the same: of other case, suffix, spaces or Unicode form.

    Args:
        name: Name that is missing.
        names: Names that are there.

    Returns:
        Text to append to a message; "" if no name is similar.
    """
    by_form = {unicodedata.normalize("NFC", other): other for other in names}
    if other := by_form.get(unicodedata.normalize("NFC", name)):
        form = "NFC" if unicodedata.is_normalized("NFC", name) else "NFD"
        return (
            f"; {other} is there in another Unicode form; rename it: "
            f"convmv -f utf8 -t utf8 --{form.lower()} --notest"
        )
    by_stem = {_stem(other): other for other in by_form.values()}
    other = by_stem.get(_stem(name), "")
    return f"; did you mean {other}?" if other else ""


def _stem(name: str) -> str:
    path = Path(unicodedata.normalize("NFC", name.strip()).casefold())
    return str(path.with_suffix("")) if path.name else ""
