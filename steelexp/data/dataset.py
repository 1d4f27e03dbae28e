"""A data set in memory: names, sizes and labelled pixels of its images, and their readers."""

import functools
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from steelexp.data.bits import MOST_CLASSES as MOST_CLASSES
from steelexp.data.bits import Bits as Bits
from steelexp.data.bits import Word, word_of
from steelexp.data.data_error import DataError as DataError
from steelexp.data.data_error import raise_if as raise_if
from steelexp.data.decoding import read_grey


@dataclass(frozen=True)
class Dataset:
    """The images of a data set; pixels and masks are read from disk when needed.

    An image is identified by its row, from 0 to S - 1.

    Attributes:
        names: [S] image names.
        paths: [S] image files.
        sizes: [S, 2] height and width in pixels.
        classes: [C] class names; class c is bit c of a mask.
        pixels: [S, C] number of labelled pixels.
        read_mask: Function row -> mask, [H, W], bit c set where class c is.
        image_hashes: [S] hash of the content of each image file.
        label_hashes: [S] hash of the labels of each image.
        has_ignore: Whether bit C, after the last class's, marks pixels that are left out of loss
            and metrics. `pixels` does not count them.
        depth: Most bits of a channel in the image files; files of 9 to 15 bits have 16.
        white: Value that becomes 255 in files of more than 8 bits; None refuses such files.
    """

    names: tuple[str, ...]
    paths: tuple[Path, ...]
    sizes: npt.NDArray[np.int32]
    classes: tuple[str, ...]
    pixels: npt.NDArray[np.int64]
    read_mask: Callable[[int], Bits]
    image_hashes: tuple[str, ...]
    label_hashes: tuple[str, ...]
    has_ignore: bool = False
    depth: int = 8
    white: int | None = None

    def __post_init__(self) -> None:
        if len(self.classes) + self.has_ignore > MOST_CLASSES:
            raise DataError(
                f"the data set has {len(self.classes)} classes ({', '.join(self.classes)})"
                f"{' and ignored pixels' if self.has_ignore else ''}, and at most {MOST_CLASSES} "
                "are supported; merge some, or leave some out"
            )

    def __len__(self) -> int:
        return len(self.names)

    @functools.cached_property
    def image_digest(self) -> str:
        """sha256 of all that the grey values depend on: content of the images, white level."""
        return digest([*self.image_hashes, *([] if self.white is None else [self.white])])

    @functools.cached_property
    def manifest(self) -> str:
        """sha256 of names, images, labels and classes; it does not depend on the folder."""
        labels = (self.classes, self.has_ignore, self.label_hashes)
        return digest([self.names, self.image_digest, labels])

    @functools.cached_property
    def labelled(self) -> list[bool]:
        """[S] whether an image has labelled pixels."""
        return [any(counts) for counts in self.pixels.tolist()]

    @property
    def word(self) -> Word:
        """Type of the pixels of a mask: one byte for up to 8 bits, then two or four."""
        return word_of(len(self.classes) + self.has_ignore)

    @functools.cached_property
    def has_bits(self) -> list[bool]:
        """[S] whether the mask of an image can have a bit: of a class, or of ignored pixels."""
        return [True] * len(self) if self.has_ignore else self.labelled

    def image(self, row: int) -> npt.NDArray[np.uint8]:
        """Read one image.

        Returns:
            [H, W] uint8 grey, as viewers show the image.

        Raises:
            DataError: The file cannot be read, does not fit the white level, or has changed its
                size.
        """
        path = self.paths[row]
        size = tuple(self.sizes[row].tolist())
        grey = read_grey(path, white=self.white)
        if grey.shape != size:
            raise DataError(
                f"{path}: the image is {grey.shape[0]} x {grey.shape[1]} and was {size[0]} x "
                f"{size[1]} when the data set was opened; leave it unchanged during a run"
            )
        return grey

    def mask(self, row: int) -> Bits:
        """Read the mask of one image: [H, W] of `word`, bit c set where class c is."""
        return self.read_mask(row).astype(self.word, copy=False)


def sample_subset(names: list[str], subset: int | None, seed: int, root: str) -> list[str]:
    """Sample `subset` of the names without replacement, and keep their order.

    Raises:
        DataError: There are fewer names than `subset`, or none.
    """
    if not names:
        raise DataError(f"{root}: no images to train on")
    if subset is None:
        return names
    if subset > len(names):
        raise DataError(f"data.subset: {subset} of {len(names)} images in {root}; ask for fewer")
    indices = np.random.default_rng(seed).choice(len(names), subset, replace=False)
    return [names[i] for i in sorted(indices.tolist())]


def digest(parts: Iterable[object]) -> str:
    """sha256 of the text of all parts, in order."""
    sha = hashlib.sha256()
    for part in parts:
        sha.update(f"{part}\0".encode())
    return sha.hexdigest()
