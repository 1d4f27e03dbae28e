"""Images that state more pixels than a machine holds, or that are no files of images."""

import functools
import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from steelexp.data.decoding import decode_stored, read_grey
from steelexp.data.image_header import parse_header, read_header
from steelexp.data.mask_folder.mask_file import mask_facts
from tests.hostile.case import Case, content_of

SIDE = 16_000
LARGE = f"{SIDE} x {SIDE} pixels are more than 100 million; cut the image into parts"
BROKEN = "the image is broken"


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png(
    width: int,
    height: int,
    *chunks: bytes,
    bits: int = 8,
    colour: int = 0,
    with_pixels: bool = False,
) -> bytes:
    """A PNG of one colour; `chunks` are put in front of its pixels.

    Above 100 million pixels it states them and has none, unless `with_pixels`.
    """
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    is_short = not with_pixels and width * height > 10**8
    row = bytes(1 + (1 if is_short else -(-width * bits * channels // 8)))
    pixels = zlib.compressobj(1)
    rows = 1 if is_short else height
    data = b"".join(pixels.compress(row) for _ in range(rows)) + pixels.flush()
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    palette = [chunk(b"PLTE", bytes(768))] if colour == 3 else []
    parts = [chunk(b"IHDR", header), *palette, *chunks, chunk(b"IDAT", data), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@functools.cache
def saved(kind: str, **options: object) -> bytes:
    """A small image of a type."""
    buffer = io.BytesIO()
    Image.fromarray(np.arange(600, dtype=np.uint8).reshape(20, 30)).save(buffer, kind, **options)
    return buffer.getvalue()


def patched(content: bytes, *patches: tuple[int, bytes]) -> bytes:
    """A content with other bytes at some places."""
    changed = bytearray(content)
    for place, data in patches:
        changed[place : place + len(data)] = data
    return bytes(changed)


def jpeg(width: int, height: int) -> bytes:
    """A JPEG that states another size."""
    content = saved("JPEG")
    frame = content.index(b"\xff\xc0")
    return patched(content, (frame + 5, struct.pack(">HH", height, width)))


def scans(count: int) -> bytes:
    """A progressive JPEG with many empty scans."""
    content = saved("JPEG", progressive=True)
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x00\x00\x00"
    return content[:-2] + scan * count + content[-2:]


def bmp(width: int, height: int, bits: int = 8) -> bytes:
    """A BMP that states another size."""
    content = patched(saved("BMP"), (18, struct.pack("<ii", width, height)))
    return patched(content, (28, struct.pack("<H", bits)))


def tiff(*entries: tuple[int, int, int, int], after: bytes = b"", following: int = 0) -> bytes:
    """A TIFF of tags, each with type, count and value, and what follows its first page."""
    tags = {256: (4, 1, 30), 257: (4, 1, 20), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1)}
    tags |= {273: (4, 1, 8), 277: (3, 1, 1), 278: (4, 1, 20), 279: (4, 1, 600)}
    tags |= {number: (kind, count, value) for number, kind, count, value in entries}
    page = struct.pack("<H", len(tags)) + b"".join(
        struct.pack("<HHII", number, *tags[number]) for number in sorted(tags)
    )
    return (
        struct.pack("<2sHI", b"II", 42, 608)
        + bytes(600)
        + page
        + struct.pack("<I", following)
        + after
    )


def pages(count: int) -> bytes:
    """A TIFF of many pages, which all have the pixels of the first."""
    first = tiff()
    page = first[608:-4]
    size = len(page) + 4
    parts = [first[:608]]
    for number in range(count):
        place = 608 + (number + 1) * size if number < count - 1 else 0
        parts.append(page + struct.pack("<I", place))
    return b"".join(parts)


def webp(width: int, height: int) -> bytes:
    """A WebP that states another canvas."""
    body = saved("WEBP", lossless=True)[12:]
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    extended = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + size
    loop = b"ANIM" + struct.pack("<I", 6) + bytes(6)
    frame = bytes(6) + size + bytes(4) + body
    body = extended + loop + b"ANMF" + struct.pack("<I", len(frame)) + frame
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def jpeg2000(width: int, height: int) -> bytes:
    """A JPEG 2000 that states another size, in its box and in its codestream."""
    content = saved("JPEG2000")
    box = content.index(b"ihdr")
    stream = content.index(b"\xff\x51")
    changed = patched(content, (box + 4, struct.pack(">II", height, width)))
    return patched(changed, (stream + 6, struct.pack(">II", width, height)))


def gif(width: int, height: int) -> bytes:
    """A GIF that states another screen."""
    return patched(saved("GIF"), (6, struct.pack("<HH", width, height)))


def netpbm(width: int, height: int, kind: bytes = b"P5") -> bytes:
    """A grey image of Netpbm."""
    return kind + b"\n%d %d\n255\n" % (width, height) + bytes(600)


def radiance(width: int, height: int) -> bytes:
    """A Radiance HDR, which OpenCV alone reads."""
    return b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y %d +X %d\n" % (height, width) + bytes(99)


def frames(count: int) -> bytes:
    """A GIF of many frames."""
    buffer = io.BytesIO()
    images = [Image.fromarray(np.full((4, 4), i % 256, np.uint8)) for i in range(count)]
    images[0].save(buffer, "GIF", save_all=True, append_images=images[1:])
    return buffer.getvalue()


@functools.cache
def bomb() -> bytes:
    """70 MB of noughts in 70 kB."""
    return zlib.compress(bytes(70 * 2**20), 9)


CONTENTS: dict[str, tuple[Callable[[], bytes], str]] = {
    "PNG": (lambda: png(SIDE, SIDE), LARGE),
    "PNG with eXIf in its pixels": (lambda: png(SIDE, SIDE) + b"eXIf", LARGE),
    "PNG with a palette": (lambda: png(SIDE, SIDE, colour=3), LARGE),
    "PNG of 1 bit": (lambda: png(SIDE, SIDE, bits=1), LARGE),
    "PNG of 2 billion columns": (lambda: png(2**31 - 1, 1), "pixels are more than 100 million"),
    "PNG of 2 billion rows": (lambda: png(1, 2**31 - 1), "pixels are more than 100 million"),
    "PNG of 2**62 pixels": (lambda: png(2**31 - 1, 2**31 - 1), "are more than 100 million"),
    "PNG of no pixels": (lambda: png(0, 0), BROKEN),
    "PNG without pixels": (lambda: png(100, 100)[:60], BROKEN),
    "PNG that states 100 million": (
        lambda: patched(png(9, 9), (16, struct.pack(">II", 9_999, 9_999))),
        BROKEN,
    ),
    "PNG of 3 bits": (lambda: patched(png(9, 9), (24, b"\3")), BROKEN),
    "PNG with a text bomb": (lambda: png(9, 9, chunk(b"zTXt", b"a\0\0" + bomb())), ""),
    "PNG with a profile bomb": (lambda: png(9, 9, chunk(b"iCCP", b"a\0\0" + bomb())), ""),
    "PNG with an international bomb": (
        lambda: png(9, 9, chunk(b"iTXt", b"a\0\1\0\0\0" + bomb())),
        "",
    ),
    "PNG with 100,000 texts": (
        lambda: png(9, 9, chunk(b"tEXt", b"a\0" + b"b" * 99) * 100_000),
        "chunks",
    ),
    "PNG with a text of 20 MB": (lambda: png(9, 9, chunk(b"tEXt", b"a\0" + bytes(20 * 2**20))), ""),
    "PNG with a chunk of 2 GB": (
        lambda: png(9, 9)[:33] + struct.pack(">I", 2**31 - 1) + b"IDAT",
        BROKEN,
    ),
    "PNG of 2 billion frames": (
        lambda: png(9, 9, chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))),
        BROKEN,
    ),
    "JPEG": (lambda: jpeg(SIDE, SIDE), LARGE),
    "JPEG of the largest size": (lambda: jpeg(65_500, 65_500), "are more than 100 million"),
    "JPEG of no rows": (lambda: jpeg(30, 0), BROKEN),
    "JPEG of 20,000 scans": (lambda: scans(20_000), "a JPEG of 20,006 scans"),
    "JPEG of its beginning": (lambda: saved("JPEG")[:200], BROKEN),
    "BMP": (lambda: bmp(SIDE, SIDE), LARGE),
    "BMP from the top": (lambda: bmp(SIDE, -SIDE), LARGE),
    "BMP of negative columns": (lambda: bmp(-30, 20), "are more than 100 million"),
    "BMP of 2**62 pixels": (lambda: bmp(2**31 - 1, 2**31 - 1), "are more than 100 million"),
    "BMP of 64 bits": (lambda: bmp(30, 20, 64), BROKEN),
    "TIFF": (lambda: tiff((256, 4, 1, SIDE), (257, 4, 1, SIDE)), LARGE),
    "TIFF of 2**64 pixels": (
        lambda: tiff((256, 4, 1, 2**32 - 1), (257, 4, 1, 2**32 - 1)),
        "are more than 100 million",
    ),
    "TIFF of 50,000 pages": (lambda: pages(50_000), "more than one page or frame"),
    "TIFF of pages in a circle": (lambda: tiff(following=608), ""),
    "TIFF with a tag of 4 GB": (lambda: tiff((270, 2, 2**32 - 1, 8)), ""),
    "TIFF with a tag of 4 billion fractions": (lambda: tiff((282, 5, 2**32 - 1, 8)), ""),
    "TIFF with 4 billion strips": (lambda: tiff((273, 4, 2**32 - 1, 8)), ""),
    "TIFF of strips of no row": (lambda: tiff((278, 4, 1, 0)), BROKEN),
    "TIFF of 60,000 channels": (lambda: tiff((277, 3, 1, 60_000)), BROKEN),
    "TIFF of 60,000 bits": (lambda: tiff((258, 3, 1, 60_000)), ""),
    "TIFF without a page": (lambda: b"II*\0\xff\xff\xff\xff", BROKEN),
    "WebP": (lambda: webp(16_000, 16_000), LARGE),
    "JPEG 2000": (lambda: jpeg2000(SIDE, SIDE), LARGE),
    "JPEG 2000 of 2**62 pixels": (
        lambda: jpeg2000(2**31 - 1, 2**31 - 1),
        "are more than 100 million",
    ),
    "GIF": (lambda: gif(SIDE, SIDE), LARGE),
    "GIF of 300 frames": (lambda: frames(300), "more than one page or frame"),
    "PGM": (lambda: netpbm(SIDE, SIDE), LARGE),
    "PGM of 2**80 pixels": (lambda: netpbm(2**40, 2**40), ""),
    "PGM of digits": (lambda: b"P5\n" + b"9" * 10**6 + b" 1\n255\n0", BROKEN),
    "PGM of comments": (lambda: b"P5\n" + b"#\n" * 10**5 + b"9 9\n255\n" + bytes(81), ""),
    "PPM in text": (lambda: netpbm(SIDE, SIDE, b"P3"), LARGE),
    "HDR": (lambda: radiance(SIDE, SIDE), BROKEN),
    "HDR of 2**62 pixels": (lambda: radiance(2**31 - 1, 2**31 - 1), BROKEN),
    "PFM": (lambda: b"Pf\n%d %d\n-1.0\n" % (SIDE, SIDE) + bytes(99), ""),
    "Postscript": (
        lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n",
        BROKEN,
    ),
    "nothing": (lambda: b"", "the file is empty"),
    "a NUL": (lambda: b"\0", BROKEN),
    "10 MB of noughts": (lambda: bytes(10 * 2**20), BROKEN),
    "a page": (lambda: b"<html>" * 10**6, "a web page or XML"),
    "white space": (lambda: b" " * 10**7 + b"<html>", BROKEN),
}


def largest(bits: int, colour: int) -> Callable[[Path], Path]:
    """A PNG of the largest size that is read."""
    return lambda folder: content_of(png(10_000, 10_000, bits=bits, colour=colour), "a.png")(folder)


def _pipe(folder: Path) -> Path:
    os.mkfifo(folder / "a.png")
    return folder / "a.png"


def _sparse(folder: Path) -> Path:
    with (folder / "a.png").open("wb") as file:
        file.truncate(2**41)
    return folder / "a.png"


def _link(target: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "a.png").symlink_to(target)
        return folder / "a.png"

    return make


def _as_mask(path: Path) -> object:
    return mask_facts([path], colours=False)


def _as_image(path: Path) -> object:
    read_header(path)
    return read_grey(path, white=65_535)


def _as_stored(path: Path) -> object:
    content = path.read_bytes()
    return decode_stored(content, path, parse_header(content, path))


PLACES = {
    "a pipe": (_pipe, "not a regular file"),
    "a device": (_link("/dev/zero"), "not a regular file"),
    "a terminal": (_link("/dev/tty"), ""),
    "a folder": (_link("."), "Is a directory"),
    "a link to itself": (_link("a.png"), "a link to a.png, which is not there"),
    "a link to nothing": (_link("b.png"), "a link to b.png, which is not there"),
    "2 TB": (_sparse, "2,199,023,255,552 bytes or more"),
    "a file of the kernel": (_link("/proc/self/maps"), BROKEN),
}

CASES = [
    *(
        Case(
            f"image: {name}",
            lambda folder, make=make: content_of(make(), "a.png")(folder),
            _as_image,
            line,
        )
        for name, (make, line) in CONTENTS.items()
    ),
    *(
        Case(
            f"mask: {name}",
            lambda folder, make=CONTENTS[name][0]: content_of(make(), "a.png")(folder),
            _as_mask,
            line,
        )
        for name, line in (
            ("PNG with a palette", LARGE),
            ("TIFF", LARGE),
            ("PNG of 1 bit", LARGE),
            ("HDR", BROKEN),
        )
    ),
    *(Case(f"image: {name}", make, _as_image, line) for name, (make, line) in PLACES.items()),
    Case("image: the largest PNG", largest(8, 0), _as_image, "", 4.0, 350.0, is_large=True),
    Case(
        "image: the largest PNG of 16 bits",
        largest(16, 0),
        _as_image,
        "",
        6.0,
        700.0,
        is_large=True,
    ),
    Case(
        "image: the largest PNG of 4 channels",
        largest(8, 6),
        _as_image,
        "",
        8.0,
        1_200.0,
        is_large=True,
    ),
    Case(
        "image: a PNG of 16,000 x 16,000 with its pixels",
        lambda folder: content_of(png(SIDE, SIDE, with_pixels=True), "a.png")(folder),
        _as_image,
        LARGE,
        is_large=True,
    ),
]
