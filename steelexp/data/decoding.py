"""Decode image files, the same way for training, the doctor and prediction.

Grey values have 8 bits. A file with 9 to 16 bits is scaled by the white level of the data set, its
brightest value. The orientation in a file's metadata is applied for every type, since labels are
drawn on what viewers show.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from steelexp.data.data_error import DataError
from steelexp.data.image_header import (
    BROKEN,
    SAVE_AGAIN,
    Header,
    open_image,
    parse_header,
    read_file,
)

Grey = npt.NDArray[np.uint8]
Stored = npt.NDArray[Any]

_BY_OPENCV = {"JPEG", "MPO", "PNG", "BMP", "WEBP", "TIFF", "PPM", "JPEG2000"}
"""Types that OpenCV decodes, several times as fast as Pillow."""

_CHANNELS = {2: [0, 0, 0, 1], 3: [2, 1, 0], 4: [2, 1, 0, 3]}
"""OpenCV's channels in the order RGB or RGBA, by their number; two are grey and opacity."""

_GREY = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH


def decode_grey(content: bytes, path: Path, *, white: int | None = None) -> Grey:
    """Decode an image to grey.

    Args:
        content: Content of the file.
        path: Path of the file, for messages.
        white: Value that becomes 255 in a file of more than 8 bits; None refuses such files.

    Returns:
        [H, W] uint8, as viewers show the image.

    Raises:
        DataError: The image cannot be read, or does not fit the white level.
    """
    header = parse_header(content, path)
    stored = _decode(content, path, header, _GREY)
    grey = stored.astype(np.uint8, copy=False) if stored.dtype == np.uint8 else None
    return _scale(stored, path, white) if grey is None else grey


def read_grey(path: Path, *, white: int | None = None) -> Grey:
    """Read an image in grey: see `decode_grey`."""
    return decode_grey(read_file(path), path, white=white)


def brightest_value(path: Path) -> int:
    """The largest value of an image file of more than 8 bits a channel; 0 for other files.

    Raises:
        DataError: The image cannot be read.
    """
    content = read_file(path)
    header = parse_header(content, path)
    if header.bits <= 8:
        return 0
    return int(_decode(content, path, header, _GREY).max())


def read_stored(path: Path) -> Stored:
    """Read stored values: see `decode_stored`."""
    content = read_file(path)
    return decode_stored(content, path, parse_header(content, path))


def decode_stored(content: bytes, path: Path, header: Header, *, colours: bool = False) -> Stored:
    """Decode the stored values of a mask: palette indices and low bit depths stay as they are.

    Args:
        content: Content of the file.
        path: Path of the file, for messages.
        header: Header of the file.
        colours: Whether a palette is resolved to its colours.

    Returns:
        [H, W], or [H, W, 3] RGB or [H, W, 4] RGBA, as viewers show the image.

    Raises:
        DataError: The image cannot be read.
    """
    if header.has_palette or header.bits < 8:
        with open_image(content) as image:
            loaded = _load(image, path)
            values = np.asarray(loaded.convert("RGB") if colours and image.mode == "P" else loaded)
        if image.mode == "L":  # Pillow scales 2 and 4 bits to 8
            values = values // (255 // (2**header.bits - 1))
        return _turned(values.astype(np.uint8), header)
    if header.kind == "TIFF" and (opaque := _grey_with_opacity(content, path)) is not None:
        return opaque
    stored = _decode(content, path, header, cv2.IMREAD_UNCHANGED)
    if stored.ndim == 2:
        return stored
    if stored.shape[2] not in _CHANNELS:
        raise DataError(f"{path}: {stored.shape[2]} channels; {SAVE_AGAIN}, in grey or RGB")
    return np.ascontiguousarray(stored[..., _CHANNELS[stored.shape[2]]])


def _grey_with_opacity(content: bytes, path: Path) -> Stored | None:
    """RGBA of a TIFF of grey and opacity, which OpenCV drops; None for other TIFFs."""
    try:
        with open_image(content) as image:
            return np.asarray(_load(image, path).convert("RGBA")) if image.mode == "LA" else None
    except UnidentifiedImageError:
        return None


def turn(stored: Stored, orientation: int) -> Stored:
    """Turn stored pixels to what viewers show.

    Args:
        stored: [H, W] or [H, W, channels] as stored.
        orientation: Orientation of EXIF, from 1 to 8.

    Source: CIPA DC-008 (Exif 2.32), tag 0x0112.
    """
    if orientation >= 5:
        stored = stored.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        stored = stored[::-1]
    if orientation in (2, 3, 6, 7):
        stored = stored[:, ::-1]
    return np.ascontiguousarray(stored)


def _decode(content: bytes, path: Path, header: Header, flags: int) -> Stored:
    """Decode an image, as viewers show it; channels are in OpenCV's order."""
    pixels: Stored | None = None
    if header.kind in _BY_OPENCV or not header.kind:
        try:
            # cv2.imread fills the missing part of a truncated JPEG with grey, without an error.
            pixels = cv2.imdecode(
                np.frombuffer(content, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION
            )
        except cv2.error:
            pixels = None
        if pixels is not None:
            return _turned(pixels, header)
    if header.kind in _BY_OPENCV - {"TIFF"}:
        raise DataError(f"{path}: {BROKEN}")
    with open_image(content) as image:
        loaded = _load(image, path)
        mode = "L" if flags & cv2.IMREAD_ANYDEPTH else "RGB"
        stored = np.asarray(
            loaded if loaded.mode.startswith(("L", "I;16")) else loaded.convert(mode)
        )
    if stored.ndim == 3:
        stored = stored[..., ::-1]
    return _turned(stored, header)


def _turned(stored: Stored, header: Header) -> Stored:
    """Apply the orientation, but for TIFF: OpenCV (in spite of its flag) and Pillow do that."""
    return stored if header.kind == "TIFF" else turn(stored, header.orientation)


def _load(image: Image.Image, path: Path) -> Image.Image:
    try:
        image.load()
    except Exception as error:  # on damaged files Pillow raises nearly any
        raise DataError(f"{path}: {BROKEN}") from error
    return image


def _scale(stored: Stored, path: Path, white: int | None) -> Grey:
    """Scale 9 to 16 bits to 8, rounded."""
    brightest = int(stored.max())
    if white is None:
        raise DataError(
            f"{path}: {stored.dtype.itemsize * 8} bits a channel and no white level; say which "
            "value is white, for 12 bits: data.grey.white=4095 in a spec, --white 4095 in predict "
            f"(the brightest here is {brightest})"
        )
    if brightest > white:
        raise DataError(
            f"{path}: a value of {brightest} is over the white level {white}; raise "
            "data.grey.white in a spec or --white in predict, or correct the image"
        )
    table = np.rint(np.arange(white + 1) * (255 / white)).astype(np.uint8)
    return np.asarray(table[stored], np.uint8)
