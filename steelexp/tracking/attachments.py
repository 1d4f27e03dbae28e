"""Files about a run that go with it to a tracking service, each with a largest size.

They lie below tracked/ in the run folder, in a folder named by their content. So what an event
names stays as it was, also if a page or a plot is written again before the event is sent.
"""

import errno
import functools
import hashlib
import os
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Final, Literal, get_args

from steelexp.privacy import public
from steelexp.records import image_scores
from steelexp.records.atomic import make_folder, write_atomically
from steelexp.records.provenance import running_code
from steelexp.records.source import package_folder, source_hash
from steelexp.spreadsheet import csv_text
from steelexp.tracking.journal import file_entry

Part = Literal["source", "packages", "console", "page", "plots", "scores", "system"]
"""What a tracker may add to the metrics, settings and pictures of a run."""

PARTS: Final[tuple[Part, ...]] = get_args(Part)

TRIAL_PARTS: Final[tuple[Part, ...]] = ("packages", "console", "system")
"""What it may add to a trial of a search, of which there are many."""

FOLDER: Final = "tracked"
MOST_BYTES: Final = 1 << 24
"""A larger file is left out: to send it would take too long."""


def keep_file(path: Path, folder: Path) -> Path:
    """A second name below tracked/ of a file that others may replace.

    Args:
        path: File below the run folder; it is replaced as a whole and never written into.
        folder: Run folder.

    Raises:
        OSError: The file is too large or cannot be read, or the name cannot be written.
    """
    digest = file_entry(path, folder, most=MOST_BYTES)["sha256"]
    place = folder / FOLDER / digest[:8] / path.name
    if not place.exists():
        make_folder(place.parent)
        try:
            os.link(path, place)
        except OSError:  # a file system without links
            write_atomically(place, path.read_bytes())
    return place


def write_source(folder: Path) -> Path:
    """Write the modules and templates of this package as a zip file, without what is private.

    Nothing else is read: no spec, no data and no repository around the package.

    Args:
        folder: Run folder.

    Returns:
        The zip file below tracked/, in a folder named by the hash of the source.

    Raises:
        OSError: The source is too large or cannot be read, or the file cannot be written.
    """
    digest, content = _source()
    place = folder / FOLDER / digest[:8] / "source.zip"
    if not place.exists():
        make_folder(place.parent)
        write_atomically(place, content)
    return place


@functools.cache
def _source() -> tuple[str, bytes]:
    """Hash of the source as it was imported, and the zip file; made once in a process."""
    package = package_folder()
    files = running_code().files
    contents = [(package.parent / name).read_bytes() for name in files]
    for name, content in zip(files, contents, strict=True):
        if hashlib.sha256(content).hexdigest() != files[name]:
            raise OSError(errno.ESTALE, "changed since this process began", name)
    texts = [content.decode("utf-8", "replace") for content in contents]
    if (size := sum(map(len, texts))) > MOST_BYTES:
        raise OSError(errno.EFBIG, f"{size} characters are too many", str(package))
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in zip(files, _public_texts(texts), strict=True):
            archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    return source_hash(files), packed.getvalue()


def _public_texts(texts: list[str]) -> list[str]:
    """Texts without what is private; all at once, which takes a third of the time."""
    texts = [text.replace("\0", " ") for text in texts]
    together = public("\0".join(texts), code=True).split("\0")
    return together if len(together) == len(texts) else [public(t, code=True) for t in texts]


def write_scores(folder: Path) -> Path:
    """Write image_scores.parquet as a table that a service shows.

    Args:
        folder: Run folder.

    Returns:
        The file below tracked/.

    Raises:
        OSError: The table is too large or cannot be read, or the file cannot be written.
    """
    from pyarrow import parquet  # 0.1 s that --help and check need not pay

    source = folder / image_scores.FILE
    entry = file_entry(source, folder, most=MOST_BYTES)
    columns = parquet.read_table(source, columns=list(image_scores.COLUMNS), partitioning=None)
    rows = zip(*(column.to_pylist() for column in columns.columns), strict=True)
    content = public(csv_text([list(image_scores.COLUMNS), *rows])).encode()
    if len(content) > MOST_BYTES:
        raise OSError(errno.EFBIG, f"{len(content)} bytes as a table are too many", str(source))
    place = folder / FOLDER / entry["sha256"][:8] / "image_scores.csv"
    make_folder(place.parent)
    return write_atomically(place, content)
