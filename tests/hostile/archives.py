"""Archives that unpack to terabytes, or into other folders."""

import functools
import io
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

from steelexp.data.kaggle.fetch import _unpack
from tests.hostile.case import Case, content_of


def archive(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    """An archive of files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            file.writestr(name, content)
    return buffer.getvalue()


def _link() -> bytes:
    info = zipfile.ZipInfo("train_images")
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return archive((info, b"/etc"))


def _stating(size: int) -> bytes:
    """An archive whose only file states another size."""
    content = bytearray(archive(("a", b"b" * 99)))
    place = content.rindex(b"PK\1\2")
    content[place + 24 : place + 28] = struct.pack("<I", size)
    return bytes(content)


def _encrypted() -> bytes:
    content = bytearray(archive(("a", b"b" * 99)))
    content[6] |= 1
    content[content.rindex(b"PK\1\2") + 8] |= 1
    return bytes(content)


def _by_method(method: int) -> bytes:
    content = bytearray(archive(("a", b"b" * 99)))
    content[8] = method
    content[content.rindex(b"PK\1\2") + 10] = method
    return bytes(content)


CONTENTS: dict[str, tuple[Callable[[], bytes], str]] = {
    "a bomb": (lambda: archive(("train.csv", bytes(20 * 2**20))), "which no images do"),
    "a bomb of many": (
        lambda: archive(*((f"{i}", bytes(2**18)) for i in range(100))),
        "which no images do",
    ),
    "a size of 4 GB": (lambda: _stating(2**32 - 2), "which no images do"),
    "a size that is too small": (lambda: _stating(9), "damaged in the download"),
    "2,000 empty files": (
        lambda: archive(*((f"{i}", b"") for i in range(2_000))),
        "",
    ),
    "a path out of the folder": (lambda: archive(("../a", b"b")), "leads out of the folder"),
    "a path out of a folder in it": (lambda: archive(("a/../../b", b"b")), "leads out"),
    "an absolute path": (lambda: archive(("/tmp/a", b"b")), "leads out of the folder"),
    "a path of Windows": (lambda: archive(("..\\a", b"b")), "leads out of the folder"),
    "a link": (_link, "is a link or leads out of the folder"),
    "a file under a file": (
        lambda: archive(("a", b"b"), ("a/b", b"c")),
        "'a' is a file and a folder",
    ),
    "an encrypted file": (_encrypted, "damaged in the download"),
    "an unknown method": (lambda: _by_method(77), "damaged in the download"),
    "nothing": (lambda: b"", "damaged in the download"),
    "no archive": (lambda: b"PK\3\4" + bytes(10**6), "damaged in the download"),
    "half an archive": (lambda: archive(("a", bytes(99)))[:-30], "damaged in the download"),
    "a directory of 4 GB": (
        lambda: b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 65_535, 65_535, 2**32 - 1, 0, 0),
        "damaged in the download",
    ),
}


def _unpack_beside(path: Path) -> object:
    return _unpack(path, path.parent / "unpacked")


CASES = [
    Case(
        f"archive: {name}",
        functools.partial(lambda make, folder: content_of(make(), "a.zip")(folder), make),
        _unpack_beside,
        line,
        8.0,
    )
    for name, (make, line) in CONTENTS.items()
]
