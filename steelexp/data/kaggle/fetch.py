"""Severstal's strips from Kaggle, with the user's own account.

FOLDER/             the data set: there whole and verified, or not at all
FOLDER.fetching/    what has arrived so far; the next call goes on from it
    <version>.zip   the archive, appended to
    unpacked/       becomes FOLDER when it is verified
"""

import functools
import hashlib
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from steelexp.data.dataset import DataError
from steelexp.data.kaggle.archive import TOKEN_PLACES, TOKENS_PAGE, Archive, download, locate
from steelexp.progress import say, steps

COMPETITION = "severstal-steel-defect-detection"
RULES = f"https://www.kaggle.com/c/{COMPETITION}/rules"
GB, MB = 10**9, 10**6

_FIND = functools.partial(locate, COMPETITION)


@dataclass(frozen=True)
class Published:
    """What a complete data set holds.

    Attributes:
        strips: images in train_images/.
        rows: of train.csv below its header.
        labelled: images that train.csv names.
        blob: the id that git gives to train.csv.
    """

    strips: int
    rows: int
    labelled: int
    blob: str


SEVERSTAL = Published(12_568, 7_095, 6_666, "93c7bb63fce4b5be5c91c9fcb4462ccdf953658f")


def fetch(
    folder: Path,
    published: Published = SEVERSTAL,
    find: Callable[[], Archive] = _FIND,
) -> None:
    """Download, unpack and verify the data set; what is complete already is left alone.

    Args:
        folder: where it goes.
        published: what it must hold.
        find: says where the archive lies.

    Raises:
        DataError: something is in the way; it says what to do.
    """
    beside = folder.with_name(f"{folder.name}.fetching")
    try:
        if not _is_complete(folder, published):
            _say_needs(folder, beside)
            archive = find()
            with _hold(beside):
                if not _is_complete(folder, published):
                    file = _download(archive, beside, find)
                    _unpack_verified(file, folder, beside / "unpacked", published)
        shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        place = error.filename or folder
        raise DataError(f"{place}: {error.strerror}; mend that, or name another folder") from error
    say(f"{folder}: {published.strips:,} strips, {published.rows:,} masks, verified")


def differences(folder: Path, published: Published) -> list[str]:
    """What a folder lacks of the published data set, or has otherwise; nothing where it is whole.

    Args:
        folder: with train.csv and train_images/.
        published: what it must hold.
    """
    table, pictures = folder / "train.csv", folder / "train_images"
    names = {path.name for path in pictures.glob("*.jpg")}
    found = []
    if len(names) != published.strips:
        found.append(f"{pictures}: {len(names):,} images, not {published.strips:,}")
    if not table.is_file():
        return [*found, f"{table}: missing"]
    content = table.read_bytes()
    rows = content.decode("utf-8", errors="replace").splitlines()[1:]
    labelled = {row.partition(",")[0] for row in rows}
    if (len(rows), len(labelled)) != (published.rows, published.labelled):
        found.append(
            f"{table}: {len(rows):,} rows of {len(labelled):,} images, not "
            f"{published.rows:,} of {published.labelled:,}"
        )
    if (blob := blob_id(content)) != published.blob:
        found.append(f"{table}: git blob {blob}, not {published.blob}")
    if lost := sorted(labelled - names):
        found.append(f"{pictures}: {len(lost):,} images of train.csv are missing, as {lost[0]}")
    return found


def blob_id(content: bytes) -> str:
    """The id that git gives to a file: sha1 of "blob", its size, a zero byte and its content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _is_complete(folder: Path, published: Published) -> bool:
    """Whether the data set is there; DataError where something else is."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    if problems := differences(folder, published):
        raise DataError(
            "\n".join([f"{folder} is in use and is not the published data set:", *problems])
            + "\nmove it away or name another folder; nothing in it was touched"
        )
    return True


def _say_needs(folder: Path, beside: Path) -> None:
    say(f"Fetching Severstal: Steel Defect Detection from Kaggle into {folder}. This needs")
    say(f"  - a Kaggle account that has accepted the competition's rules: {RULES}")
    say(f"  - an API token of that account, from {TOKENS_PAGE},")
    say(f"    in {TOKEN_PLACES}")
    say("  - about 3.4 GB of disk: 1.7 GB for the archive and as much unpacked")
    say(f"Until it is complete everything lies in {beside}; if this stops, type it again.")


def _download(archive: Archive, beside: Path, renew: Callable[[], Archive]) -> Path:
    there = beside / archive.file_name
    missing = archive.size - (there.stat().st_size if there.is_file() else 0)
    _check_room(beside, missing + archive.size)  # JPEGs do not shrink: as much again unpacked
    with steps("downloading, MB", archive.size // MB, every=10.0) as advance:
        return download(archive, beside, renew=renew, report=lambda got: advance(got // MB))


def _unpack_verified(archive: Path, folder: Path, beside: Path, published: Published) -> None:
    _unpack(archive, beside)
    if problems := differences(beside, published):
        raise DataError(
            "\n".join(["what Kaggle sent is not the published data set:", *problems])
            + f"\nit is left in {beside}; remove {beside.parent} to fetch it anew"
        )
    beside.replace(folder)


def _unpack(archive: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as zipped:
            members = zipped.infolist()
            _check_room(archive.parent, sum(member.file_size for member in members))
            with steps("unpacking", len(members), every=10.0) as advance:
                for number, member in enumerate(members, start=1):
                    zipped.extract(member, folder)
                    advance(number)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        archive.unlink()
        raise DataError(
            f"{archive}: damaged on its way ({error}) and removed; type the same command again"
        ) from error


@contextmanager
def _hold(beside: Path) -> Iterator[None]:
    """Hold the folder for this process; the kernel lets go when the process ends."""
    from filelock import FileLock, Timeout

    beside.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(beside / ".lock", timeout=0):
            yield
    except Timeout:
        raise DataError(f"{beside}: another process is fetching; wait for it or stop it") from None


def _check_room(folder: Path, needed: float) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DataError(
            f"{folder}: {needed / GB:.1f} GB of disk are needed and {free / GB:.1f} GB are free; "
            "make room, or name a folder on another disk"
        )
