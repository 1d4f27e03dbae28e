"""What is wrong with the file of one image: depth, colours, turns, a JPEG by another name."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from steelexp.data.decoding import read_stored
from steelexp.data.image_files import SUFFIXES
from steelexp.data.image_header import read_header
from steelexp.data.issue import Issue
from steelexp.data.white_level import CAMERAS

# Largest difference between the channels of a grey image, by a JPEG's rounding. The images of
# Severstal and NEU-Seg have none.
COLOUR_STEPS = 8

JPEG_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo")
JPEG_START = b"\xff\xd8\xff"


class CheckedImage(NamedTuple):
    """An image that can be read.

    Attributes:
        grey: [H, W] grey values of 8 bits, as viewers show the image.
        brightest: Brightest value of an image of more than 8 bits; 0 for others.
        issues: Issues of its file.
    """

    grey: npt.NDArray[np.uint8]
    brightest: int
    issues: list[Issue]


def check_image(path: Path, white: int | None) -> CheckedImage:
    """Read an image and check its file.

    Args:
        path: Path of the image.
        white: White level of images of more than 8 bits; None takes that of the usual camera which
            holds the image's brightest value.

    Raises:
        DataError: The image cannot be read.
    """
    header = read_header(path)
    stored = read_stored(path)
    issues = list(jpeg_issues(path))
    brightest = 0
    if stored.dtype != np.uint8:
        brightest = int(stored.max())
        issues += _depth_issues(path, stored, white)
        level = white or next(each for each in CAMERAS if each >= brightest)
        stored = cv2.convertScaleAbs(stored, alpha=255 / level)
    if stored.ndim > 2:
        issues += _colour_issues(path, stored)
        stored = cv2.cvtColor(stored[..., :3], cv2.COLOR_RGB2GRAY)
    grey = stored.astype(np.uint8, copy=False)
    if grey.min() == grey.max():
        text = f"every pixel is {grey.min()} of 255"
        issues.append(Issue("blank image", path, None, text))
    if header.orientation != 1:
        text = f"its metadata turns it (orientation {header.orientation} of EXIF), which is applied"
        issues.append(Issue("turned image", path, None, text))
    return CheckedImage(grey, brightest, issues)


def jpeg_issues(path: Path) -> Iterator[Issue]:
    """The issue of a JPEG under the name of another type."""
    suffix = path.suffix.lower()
    if suffix in SUFFIXES and suffix not in JPEG_SUFFIXES and path.is_file():
        with path.open("rb") as file:
            start = file.read(len(JPEG_START))
        if start == JPEG_START:
            text = f"a JPEG under the name of {suffix}; JPEG changes the values of pixels"
            yield Issue("JPEG by another name", path, None, text)


def _depth_issues(path: Path, stored: npt.NDArray[Any], white: int | None) -> Iterator[Issue]:
    brightest = int(stored.max())
    if white is None:
        text = f"{stored.dtype.itemsize * 8} bits a channel"
        yield Issue("wrong depth", path, None, text)
    elif brightest > white:
        text = f"a value of {brightest} is over the white level {white}"
        yield Issue("wrong depth", path, None, text)


def _colour_issues(path: Path, stored: npt.NDArray[Any]) -> Iterator[Issue]:
    red, green, blue = (cv2.extractChannel(stored, c) for c in range(3))
    difference = max(cv2.norm(blue, green, cv2.NORM_INF), cv2.norm(green, red, cv2.NORM_INF))
    if difference > COLOUR_STEPS:
        text = f"the channels differ by up to {difference:.0f} of 255"
        yield Issue("colour image", path, None, text)
