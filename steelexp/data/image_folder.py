"""The images of a folder as a data set without labels."""

from pathlib import Path

import numpy as np

from steelexp.data.bits import word_of
from steelexp.data.content import file_hashes
from steelexp.data.dataset import Bits, DataError, Dataset, raise_if
from steelexp.data.image_files import list_images, say_passed_over
from steelexp.data.image_header import image_sizes, read_headers


def unlabelled_images(root: str, classes: tuple[str, ...]) -> Dataset:
    """The images of a folder and of its subfolders; their masks are empty.

    Args:
        root: Folder.
        classes: [C] class names.

    Returns:
        Data set in the order of the names. Its masks have bit C for ignored pixels.

    Raises:
        DataError: There is no such folder, it has no images, or an image cannot be read.
    """
    folder = Path(root)
    if not folder.is_dir():
        raise DataError(f"data.unlabelled.root: there is no folder {folder}")
    images = list_images(folder, recursive=True)
    raise_if([f"{path}: {why}" for path, why in images.problems.items()])
    if not images.paths:
        raise DataError(f"data.unlabelled.root: {folder}: no images in this folder")
    say_passed_over(images, folder)
    paths = tuple(images.paths.values())
    headers = read_headers(paths)
    sizes = image_sizes(headers)
    word = word_of(len(classes) + 1)

    def empty_mask(row: int) -> Bits:
        return np.zeros(tuple(sizes[row].tolist()), word)

    return Dataset(
        names=tuple(images.paths),
        paths=paths,
        sizes=sizes,
        classes=classes,
        pixels=np.zeros((len(paths), len(classes)), np.int64),
        read_mask=empty_mask,
        image_hashes=file_hashes(paths),
        label_hashes=("",) * len(paths),
        has_ignore=True,
        depth=max(header.bits for header in headers),
    )
