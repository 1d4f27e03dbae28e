"""Read image files and their headers: size as viewers show it, bits, orientation, type.

A file that is no image that can be read is refused here, with one advice for each cause.
"""

import errno
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from steelexp.data.data_error import DataError
from steelexp.data.file_memory import remembered
from steelexp.limits import IMAGE_BYTES, IMAGE_PIXELS, IMAGE_SCANS, PNG_CHUNKS
from steelexp.regular_file import read_regular

COPY_AGAIN = "copy it again from its source"

BROKEN = f"the image is broken or cut short; {COPY_AGAIN}, or remove it and its labels"

SAVE_AGAIN = "save it as PNG or TIFF with 8 or 16 bits a channel"

_PNG = b"\x89PNG\r\n\x1a\n"
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

Image.MAX_IMAGE_PIXELS = None  # IMAGE_PIXELS is the limit of every type

# Others have no pixels to learn from, or run a program: Ghostscript for EPS.
_BY_PILLOW = [
    "AVIF",
    "BMP",
    "DIB",
    "GIF",
    "JPEG",
    "JPEG2000",
    "PCX",
    "PNG",
    "PPM",
    "QOI",
    "SGI",
    "SUN",
    "TGA",
    "TIFF",
    "WEBP",
]


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
    try:
        content = read_regular(path, IMAGE_BYTES)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.EISDIR):
            raise DataError(f"{path}: {error.strerror}; move it elsewhere") from error
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
    if problem := _chunk_problem(content):  # before Pillow, whose refusals OpenCV tries again
        raise DataError(f"{path}: {problem}")
    try:
        with open_image(content) as image:
            problem = _size_problem(image.height, image.width) or _scan_problem(image, content)
            if not problem:
                header = _header(image, content)
                problem = _problem(image, header)
    except UnidentifiedImageError:
        header, problem = _decoded_header(content, path)
    except Exception as error:  # on damaged files Pillow raises nearly any
        raise DataError(f"{path}: {BROKEN}") from error
    if problem:
        raise DataError(f"{path}: {problem}")
    return header


def open_image(content: bytes) -> Image.Image:
    """Open an image with Pillow, which decodes nothing yet.

    Raises:
        UnidentifiedImageError: It is of none of the types that are read.
    """
    return Image.open(io.BytesIO(content), formats=_BY_PILLOW)


def _header(image: Image.Image, content: bytes) -> Header:
    # Pillow decodes a PNG without this chunk to look for it at the end.
    has_exif = image.format != "PNG" or b"eXIf" in content
    orientation = image.getexif().get(_ORIENTATION, 1) if has_exif else 1
    orientation = orientation if orientation in range(1, 9) else 1
    width, height = image.size
    # Pillow turns the size of a TIFF by itself.
    if orientation >= 5 and image.format != "TIFF":
        height, width = image.size
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
    is_float = image.mode == "F" or (
        header.kind == "TIFF" and _FLOAT in np.atleast_1d(image.tag_v2.get(_SAMPLE_FORMAT, 1))  # type: ignore[attr-defined]
    )
    if is_float:
        return f"{header.bits} bits a channel in floating point; {SAVE_AGAIN}"
    if problem := _problem_of_header(header):
        return problem
    if header.kind != "MPO" and _has_second_page(image):  # in an MPO it is a preview
        return "more than one page or frame in one file; save each as a file of its own"
    return ""


def _has_second_page(image: Image.Image) -> bool:
    """Whether there is a second page; a file may have millions, which are not counted."""
    try:
        image.seek(1)
    except EOFError:
        return False
    return True


def _problem_of_header(header: Header) -> str:
    if header.bits not in (1, 2, 4, 8, 16):
        return f"{header.bits} bits a channel; {SAVE_AGAIN}"
    return _size_problem(header.height, header.width)


def _size_problem(height: int, width: int) -> str:
    if height * width <= IMAGE_PIXELS:
        return ""
    return (
        f"{height} x {width} pixels are more than {IMAGE_PIXELS / 1e6:.0f} million; cut the image "
        "into parts"
    )


def _chunk_problem(content: bytes) -> str:
    """Why a PNG is broken: OpenCV takes the memory that a chunk states, up to 2 GB."""
    if not content.startswith(_PNG):
        return ""
    place = len(_PNG)
    for _ in range(PNG_CHUNKS):
        length = int.from_bytes(content[place : place + 4])
        is_last = content[place + 4 : place + 8] == b"IEND"
        place += 12 + length
        if is_last and place <= len(content):
            return ""
        if place >= len(content):
            return BROKEN
    return f"a PNG of more than {PNG_CHUNKS:,} chunks; {SAVE_AGAIN}"


def _scan_problem(image: Image.Image, content: bytes) -> str:
    """Why a JPEG would take too long: each scan goes over all pixels."""
    scans = content.count(b"\xff\xda") if image.format in ("JPEG", "MPO") else 0
    return "" if scans <= IMAGE_SCANS else f"a JPEG of {scans:,} scans; {SAVE_AGAIN}"


def _decoded_header(content: bytes, path: Path) -> tuple[Header, str]:
    """The header of a type that OpenCV alone reads, and why it is not read."""
    for beginning, reason in _NO_IMAGES.items():
        if content[:4096].lstrip()[: len(beginning)] == beginning:
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
            f"{path}: the image is broken, or of a type that is not read; {COPY_AGAIN}, or "
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
