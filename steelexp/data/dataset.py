"""A data set in memory: names, sizes, labelled pixels, and how to read one image."""

import functools
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

Bits = npt.NDArray[np.uint8]


class DataError(Exception):
    """The data set cannot be used as it is; the message is for the user."""


@dataclass(frozen=True)
class Dataset:
    """The images of a data set, each read from disk when asked for.

    Attributes:
        names: [S] image ids.
        paths: [S] image files.
        sizes: [S, 2] height and width in pixels.
        classes: [C] class names; class c is bit c of a mask.
        pixels: [S, C] labelled pixels.
        read_mask: image number -> [H, W] uint8, bit c set where class c is.
        manifest: sha256 of what the data set holds, wherever it lies: the names of the images,
            their sizes in bytes, and the labels.
    """

    names: tuple[str, ...]
    paths: tuple[Path, ...]
    sizes: npt.NDArray[np.int32]
    classes: tuple[str, ...]
    pixels: npt.NDArray[np.int64]
    read_mask: Callable[[int], Bits]
    manifest: str

    def __len__(self) -> int:
        return len(self.names)

    @functools.cached_property
    def labelled(self) -> list[bool]:
        """[S] whether an image has a labelled pixel."""
        return [any(counts) for counts in self.pixels.tolist()]

    def image(self, image: int) -> npt.NDArray[np.uint8]:
        """Read one image.

        Returns:
            [H, W] uint8 grey.

        Raises:
            DataError: the file is missing, broken or cut short, or has changed its size.
        """
        path, size = self.paths[image], tuple(self.sizes[image].tolist())
        # The header gives the size of the pixels as stored, and labels are drawn on those.
        grey = decode_image(path, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)
        if grey.shape != size:
            raise DataError(
                f"{path}: the image is {grey.shape[0]} x {grey.shape[1]} and was {size[0]} x "
                f"{size[1]} when the data set was opened; leave it unchanged during a run"
            )
        return grey.astype(np.uint8, copy=False)

    def mask(self, image: int) -> Bits:
        """Read one image's labels: [H, W] uint8, bit c set where class c is."""
        return self.read_mask(image)


def image_sizes(paths: Iterable[Path]) -> npt.NDArray[np.int32]:
    """Read height and width from the images' headers.

    Returns:
        [S, 2] height and width in pixels.

    Raises:
        DataError: naming every file whose header cannot be read.
    """
    sizes, problems = [], []
    for path in paths:
        try:
            with Image.open(path) as image:
                sizes.append((image.height, image.width))
        except (OSError, Image.DecompressionBombError) as error:
            problems.append(f"{path}: not a readable image ({error})")
    raise_if(problems)
    return np.array(sizes, np.int32).reshape(-1, 2)


def decode_image(path: Path, flags: int) -> npt.NDArray[Any]:
    """Decode an image file.

    Args:
        path: of the file.
        flags: of `cv2.imread`.

    Returns:
        [H, W] or [H, W, channels].

    Raises:
        DataError: the file is missing, broken or cut short.
    """
    try:
        # Not cv2.imread: it paints what a JPEG that was cut short lacks in one grey, and goes on.
        pixels = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), flags)
    except OSError as error:
        raise DataError(f"{path}: the image cannot be read: {error.strerror}") from error
    except cv2.error:  # an empty file; a header that asks for more pixels than OpenCV allows
        pixels = None
    if pixels is None:
        raise DataError(
            f"{path}: the image is broken or cut short; copy it again from its source, or remove "
            "it and its labels from the data set"
        )
    return pixels


def draw_subset(names: list[str], subset: int | None, seed: int, root: str) -> list[str]:
    """Keep `subset` of the names, drawn without replacement, in their order.

    Raises:
        DataError: there are fewer, or none at all.
    """
    if not names:
        raise DataError(f"{root}: no images to train on")
    if subset is None:
        return names
    if subset > len(names):
        raise DataError(f"data.subset: {subset} of {len(names)} images in {root}; ask for fewer")
    drawn = np.random.default_rng(seed).choice(len(names), subset, replace=False)
    return [names[i] for i in sorted(drawn.tolist())]


def digest(parts: Iterable[object]) -> str:
    """sha256 over the text of each part, in order."""
    sha = hashlib.sha256()
    for part in parts:
        sha.update(f"{part}\0".encode())
    return sha.hexdigest()


def raise_if(problems: list[str], shown: int = 20) -> None:
    """Raise one DataError that lists the problems, if there are any."""
    if not problems:
        return
    rest = len(problems) - shown
    lines = problems[:shown] + ([f"... and {rest} more"] if rest > 0 else [])
    raise DataError("\n".join(lines))
