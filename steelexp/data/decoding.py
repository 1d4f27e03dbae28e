"""Decode image files, the same way for training, the doctor and prediction.

Grey values have 8 bits. A file with 9 to 16 bits is scaled by the white level of the data set, its
brightest value. The orientation in a file's metadata is applied for every type, since labels are
drawn on what viewers show.
"""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from steelexp.data.data_error import DataError
from steelexp.data.file_memory import remembered

Grey = npt.NDArray[np.uint8]
Stored = npt.NDArray[Any]

MOST_PIXELS = 2**28
"""Pixels of an image at most, whatever its type: 16,384 x 16,384."""

SAVE_AGAIN = "save it as PNG or TIFF with 8 or 16 bits a channel"

_BY_OPENCV = {"JPEG", "MPO", "PNG", "BMP", "WEBP", "TIFF", "PPM", "JPEG2000"}
"""Types that OpenCV decodes, several times as fast as Pillow."""

_GREY = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH

_ORIENTATION = 0x0112  # EXIF tag
_BITS_PER_SAMPLE = 258  # TIFF tags
_SAMPLE_FORMAT = 339
_FLOAT = 3

# Other files that carry the name of an image: how they begin, what they are, and the way out.
_NO_IMAGES = {
    b"version https://git-lfs": "a pointer of Git LFS and not the image; fetch it: git lfs pull",
    b"\x00\x05\x16\x07": "macOS metadata and not the image; remove it, or copy the image itself",
    b"<": "a web page or XML and not an image; download the image again",
}

Image.MAX_IMAGE_PIXELS = None  # MOST_PIXELS is the limit of every type


class Header(NamedTuple):
    """What a file says about its image before it is decoded.

    Attributes:
        height: Height in pixels, as viewers show the image.
        width: Width in pixels.
        bits: Bits of a channel.
        orientation: Orientation of EXIF, from 1 (as stored) to 8.
        kind: Type by content, such as PNG.
        has_palette: Whether pixels are numbers of colours.
    """

    height: int
    width: int
    bits: int = 8
    orientation: int = 1
    kind: str = ""
    has_palette: bool = False


def read_file(path: Path) -> bytes:
    """Read a file.

    Raises:
        DataError: It is missing, a link to nowhere, no regular file, empty, or cannot be read.
    """
    if path.is_symlink() and not path.exists():
        raise DataError(
            f"{path}: a link to {path.readlink()}, which is not there; restore that file, or "
            "remove the link"
        )
    if path.exists() and not path.is_file():  # reading a pipe would wait for ever
        raise DataError(f"{path}: not a regular file; move it elsewhere")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: the image cannot be read: {error.strerror}") from error
    if not content:
        raise DataError(f"{path}: the file is empty; copy the image again from its source")
    return content


def read_header(path: Path) -> Header:
    """Read the header of an image file.

    Raises:
        DataError: The file is no image that can be read; the message has the reason.
    """
    return parse_header(read_file(path), path)


def read_headers(paths: Sequence[Path]) -> list[Header]:
    """Read the headers of image files, remembered while the files stay as they are.

    Raises:
        DataError: Headers cannot be read; all files are listed.
    """
    return [Header(*values) for values in remembered(paths, "header 1", read_header)]


def image_sizes(headers: Iterable[Header]) -> npt.NDArray[np.int32]:
    """Height and width of images: [S, 2]."""
    sizes = [(header.height, header.width) for header in headers]
    return np.array(sizes, np.int32).reshape(-1, 2)


def parse_header(content: bytes, path: Path) -> Header:
    """The header of an image file.

    Args:
        content: Content of the file.
        path: Path of the file, for messages.

    Raises:
        DataError: The file is no image that can be read; the message has the reason.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            header = _header(image, content)
            problem = _problem(image, header)
    except UnidentifiedImageError:
        header, problem = _decoded_header(content, path)
    except Exception as error:  # on damaged files Pillow raises nearly any
        raise DataError(f"{path}: {_broken()}") from error
    if problem:
        raise DataError(f"{path}: {problem}")
    return header


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
    """Read the stored values of a mask: palette indices and low bit depths stay as they are.

    Returns:
        [H, W], or [H, W, 3] RGB or [H, W, 4] RGBA, as viewers show the image.

    Raises:
        DataError: The image cannot be read.
    """
    content = read_file(path)
    header = parse_header(content, path)
    if header.has_palette or header.bits < 8:
        with Image.open(io.BytesIO(content)) as image:
            values = np.asarray(_load(image, path))
        if image.mode == "L":  # Pillow scales 2 and 4 bits to 8
            values = values // (255 // (2**header.bits - 1))
        return _turned(values.astype(np.uint8), header)
    stored = _decode(content, path, header, cv2.IMREAD_UNCHANGED)
    if stored.ndim == 2:
        return stored
    return cv2.cvtColor(stored, cv2.COLOR_BGR2RGB if stored.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)


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


def _header(image: Image.Image, content: bytes) -> Header:
    # Pillow decodes a PNG without this chunk to look for it at the end.
    has_exif = image.format != "PNG" or b"eXIf" in content
    orientation = image.getexif().get(_ORIENTATION, 1) if has_exif else 1
    orientation = orientation if orientation in range(1, 9) else 1
    width, height = image.size
    # Pillow turns the size of a TIFF by itself.
    if orientation >= 5 and image.format != "TIFF":
        width, height = height, width
    return Header(
        height,
        width,
        _bits(image, content),
        orientation,
        image.format or "",
        image.mode == "P",
    )


def _bits(image: Image.Image, content: bytes) -> int:
    """Bits of a channel."""
    if image.format == "PNG":
        return content[24]  # of the chunk IHDR
    if image.format == "TIFF":
        return int(max(np.atleast_1d(image.tag_v2.get(_BITS_PER_SAMPLE, 1))))  # type: ignore[attr-defined]
    if image.format == "PPM":
        return _decoded_bits(content)
    return {"1": 1, "I": 32, "F": 32}.get(image.mode, 16 if image.mode.startswith("I;16") else 8)


def _decoded_bits(content: bytes) -> int:
    """Bits of a channel of a type whose header Pillow does not pass on."""
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        pixels = None
    return 8 if pixels is None else pixels.dtype.itemsize * 8


def _problem(image: Image.Image, header: Header) -> str:
    """Why an image is not read; "" if it is."""
    pages = getattr(image, "n_frames", 1)
    if pages > 1 and header.kind != "MPO":  # the second picture of an MPO is a preview
        return f"{pages} pages or frames in one file; save each as a file of its own"
    is_float = image.mode == "F" or (
        header.kind == "TIFF" and _FLOAT in np.atleast_1d(image.tag_v2.get(_SAMPLE_FORMAT, 1))  # type: ignore[attr-defined]
    )
    if is_float:
        return f"{header.bits} bits a channel in floating point; {SAVE_AGAIN}"
    return _problem_of_header(header)


def _problem_of_header(header: Header) -> str:
    if header.bits not in (1, 2, 4, 8, 16):
        return f"{header.bits} bits a channel; {SAVE_AGAIN}"
    if header.height * header.width > MOST_PIXELS:
        return (
            f"{header.height} x {header.width} pixels are more than {MOST_PIXELS / 1e6:.0f} "
            "million; cut the image into parts"
        )
    return ""


def _decoded_header(content: bytes, path: Path) -> tuple[Header, str]:
    """The header of a type that OpenCV alone reads, and why it is not read."""
    for beginning, reason in _NO_IMAGES.items():
        if content.lstrip()[: len(beginning)] == beginning:
            raise DataError(f"{path}: {reason}")
    if target := _text_of_link(content):
        raise DataError(
            f"{path}: the text of a link to {target} and not the image, as git saves links where "
            "core.symlinks is false; put the image itself there"
        )
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise DataError(
            f"{path}: the image is broken, or of a type that is not read; {_copy_again()}, or "
            f"{SAVE_AGAIN}"
        )
    header = Header(pixels.shape[0], pixels.shape[1], pixels.dtype.itemsize * 8)
    if pixels.dtype.kind == "f":
        return header, f"{header.bits} bits a channel in floating point; {SAVE_AGAIN}"
    return header, _problem_of_header(header)


def _text_of_link(content: bytes) -> str:
    """The path that a file holds in place of an image; "" if it is none."""
    text = content.decode("utf-8", "replace").strip() if len(content) < 4096 else ""
    is_path = "/" in text and text.isprintable() and bool(Path(text).suffix)
    return text if is_path else ""


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
        raise DataError(f"{path}: {_broken()}")
    with Image.open(io.BytesIO(content)) as image:
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
        raise DataError(f"{path}: {_broken()}") from error
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


def _broken() -> str:
    return f"the image is broken or cut short; {_copy_again()}, or remove it and its labels"


def _copy_again() -> str:
    return "copy it again from its source"
