"""Two data sets as one: the images of the first, then those of the second."""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from steelexp.data.dataset import Bits, Dataset


@dataclass(frozen=True, kw_only=True)
class Joined(Dataset):
    """The images of one data set, then those of another, with the classes of the first.

    Attributes:
        first: Data set of S images.
        second: Data set of T images.
    """

    first: Dataset
    second: Dataset

    def image(self, row: int) -> npt.NDArray[np.uint8]:
        """Grey values of an image, [H, W] uint8."""
        first = len(self.first)
        return self.first.image(row) if row < first else self.second.image(row - first)

    def mask(self, row: int) -> Bits:
        """Mask of an image, [H, W] of `word`, bit c set where class c is."""
        first = len(self.first)
        bits = self.first.mask(row) if row < first else self.second.mask(row - first)
        return bits.astype(self.word, copy=False)


def join(first: Dataset, second: Dataset, *, has_ignore: bool = False) -> Joined:
    """Join two data sets. The labelled pixels of the second are not counted.

    Args:
        first: Data set of S images.
        second: Data set of T images. Where masks are read, they have the bits of the first.
        has_ignore: Whether bit C of a mask of the second marks ignored pixels.
    """
    no_pixels = np.zeros((len(second), len(first.classes)), np.int64)
    values = {field.name: getattr(first, field.name) for field in fields(Dataset)} | {
        "names": first.names + second.names,
        "paths": first.paths + second.paths,
        "sizes": np.concatenate([first.sizes, second.sizes]),
        "pixels": np.concatenate([first.pixels, no_pixels]),
        "image_hashes": first.image_hashes + second.image_hashes,
        "label_hashes": first.label_hashes + second.label_hashes,
        "has_ignore": first.has_ignore or has_ignore,
    }
    return Joined(**values, first=first, second=second)
