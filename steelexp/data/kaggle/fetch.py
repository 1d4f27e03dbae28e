"""Download of Severstal's strips from Kaggle, with the user's own account.

FOLDER/             the data set, complete and verified
FOLDER.fetching/    the unfinished download, which the next call resumes
    <version>.zip   the archive
    unpacked/       renamed to FOLDER when it is verified
"""

import errno
import functools
import hashlib
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from steelexp.data.dataset import DataError
from steelexp.data.kaggle.archive import TOKEN_PLACES, TOKENS_PAGE, Archive, download, locate
from steelexp.errors import reason
from steelexp.file_lock import LockedError, file_lock
from steelexp.limits import ARCHIVE_BYTES, ARCHIVE_FILES, ARCHIVE_RATIO
from steelexp.progress import say, steps

COMPETITION = "severstal-steel-defect-detection"
RULES = f"https://www.kaggle.com/c/{COMPETITION}/rules"
GB = 10**9
MB = 10**6

_LOCATE_SEVERSTAL = functools.partial(locate, COMPETITION)


@dataclass(frozen=True)
class ExpectedContent:
    """The content of a complete data set.

    Attributes:
        strips: Number of images in train_images/.
        rows: Number of rows of train.csv without the header.
        labelled: Number of images that train.csv names.
        blob: Git's blob id of train.csv.
    """

    strips: int
    rows: int
    labelled: int
    blob: str


SEVERSTAL = ExpectedContent(12_568, 7_095, 6_666, "93c7bb63fce4b5be5c91c9fcb4462ccdf953658f")


def fetch(
    folder: Path,
    expected: ExpectedContent = SEVERSTAL,
    locate_archive: Callable[[], Archive] = _LOCATE_SEVERSTAL,
) -> None:
    """Download, unpack and verify the data set, unless it is complete already.

    Args:
        folder: Target folder.
        expected: Content of the complete data set.
        locate_archive: Function that locates the archive.

    Raises:
        DataError: The target has other content, the download fails, or the disk is full.
    """
    partial = folder.with_name(f"{folder.name}.fetching")
    try:
        if not _is_complete(folder, expected):
            _say_needs(folder, partial)
            archive = locate_archive()
            with _lock(partial):
                if not _is_complete(folder, expected):
                    file = _download(archive, partial, locate_archive)
                    _unpack_verified(file, folder, partial / "unpacked", expected)
        shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        place = error.filename or folder
        raise DataError(f"{place}: {error.strerror}; fix that, or name another folder") from error
    say(f"{folder}: {expected.strips:,} strips, {expected.rows:,} masks, verified")


def differences(folder: Path, expected: ExpectedContent) -> list[str]:
    """Differences between a folder and the published data set; none if it is complete.

    Args:
        folder: Folder with train.csv and train_images/.
        expected: Content of the complete data set.
    """
    table = folder / "train.csv"
    images_dir = folder / "train_images"
    names = {path.name for path in images_dir.glob("*.jpg")}
    problems = []
    if len(names) != expected.strips:
        problems.append(f"{images_dir}: {len(names):,} images, not {expected.strips:,}")
    if not table.is_file():
        return [*problems, f"{table}: missing"]
    content = table.read_bytes()
    rows = content.decode("utf-8", errors="replace").splitlines()[1:]
    labelled = {row.partition(",")[0] for row in rows}
    if (len(rows), len(labelled)) != (expected.rows, expected.labelled):
        problems.append(
            f"{table}: {len(rows):,} rows of {len(labelled):,} images, not "
            f"{expected.rows:,} of {expected.labelled:,}"
        )
    if (blob := blob_id(content)) != expected.blob:
        problems.append(f"{table}: git blob {blob}, not {expected.blob}")
    if missing := sorted(labelled - names):
        problems.append(
            f"{images_dir}: {len(missing):,} images of train.csv are missing, first {missing[0]}"
        )
    return problems


def blob_id(content: bytes) -> str:
    """Git's blob id of a file: sha1 of "blob", its size, a zero byte and its content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _is_complete(folder: Path, expected: ExpectedContent) -> bool:
    """Whether the data set is complete; raise DataError if the folder has other content."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    if problems := differences(folder, expected):
        raise DataError(
            f"{folder} is in use and is not the published data set:",
            *problems,
            "move it away or name another folder; nothing in it was touched",
        )
    return True


def _say_needs(folder: Path, partial: Path) -> None:
    say(f"Fetching Severstal: Steel Defect Detection from Kaggle into {folder}. This needs")
    say(f"  - a Kaggle account that has accepted the competition's rules: {RULES}")
    say(f"  - an API token of that account, from {TOKENS_PAGE},")
    say(f"    in {TOKEN_PLACES}")
    say("  - about 3.4 GB of disk: 1.7 GB for the archive and as much unpacked")
    say(f"Unfinished downloads are in {partial}; type the command again to resume one.")


def _download(archive: Archive, partial: Path, renew: Callable[[], Archive]) -> Path:
    file = partial / archive.file_name
    missing_bytes = archive.size - (file.stat().st_size if file.is_file() else 0)
    _check_room(partial, missing_bytes + archive.size)  # unpacked JPEGs need as much again
    with steps("downloading, MB", archive.size // MB, every=10.0) as advance:
        return download(
            archive, partial, renew=renew, report=lambda received: advance(received // MB)
        )


def _unpack_verified(archive: Path, folder: Path, partial: Path, expected: ExpectedContent) -> None:
    _unpack(archive, partial)
    if problems := differences(partial, expected):
        raise DataError(
            "the archive from Kaggle is not the published data set:",
            *problems,
            f"it is kept in {partial}; remove {partial.parent} to fetch it again",
        )
    partial.replace(folder)


def _unpack(archive: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as zipped:
            members = zipped.infolist()
            _check_members(archive, members)
            _check_room(archive.parent, sum(member.file_size for member in members))
            with steps("unpacking", len(members), every=10.0) as advance:
                for number, member in enumerate(members, start=1):
                    zipped.extract(member, folder)
                    advance(number)
    except DataError:
        raise
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # of the disk; a wrong place in the archive
            raise
        raise _damaged(archive, error) from error
    except Exception as error:  # on damaged archives zipfile raises nearly any
        raise _damaged(archive, error) from error


def _damaged(archive: Path, error: Exception) -> DataError:
    archive.unlink()
    return DataError(
        f"{archive}: damaged in the download ({reason(error)}) and removed; type the same command "
        "again"
    )


def _check_members(archive: Path, members: list[zipfile.ZipInfo]) -> None:
    """Check the content that an archive states, before anything is unpacked.

    Raises:
        DataError: It is larger than any set of images, or would write outside of its folder.
    """
    size = archive.stat().st_size
    unpacked = sum(member.file_size for member in members)
    if len(members) > ARCHIVE_FILES:
        problem = f"{len(members):,} files, and at most {ARCHIVE_FILES:,} are unpacked"
    elif unpacked > min(ARCHIVE_BYTES, ARCHIVE_RATIO * size):
        problem = f"{size:,} bytes would become {unpacked:,}, which no images do"
    elif outside := next((each.filename for each in members if _leads_outside(each)), None):
        problem = f"{outside[:80]!a} is a link or leads out of the folder"
    elif both := _files_that_are_folders(members):
        problem = f"{both[0][:80]!a} is a file and a folder"
    else:
        return
    raise DataError(f"{archive}: not unpacked: {problem}; remove it, and ask where it came from")


def _leads_outside(member: zipfile.ZipInfo) -> bool:
    parts = PurePosixPath(member.filename.replace("\\", "/")).parts
    is_link = stat.S_ISLNK(member.external_attr >> 16)
    return is_link or ".." in parts or member.filename.startswith(("/", "\\"))


def _files_that_are_folders(members: list[zipfile.ZipInfo]) -> list[str]:
    names = {member.filename for member in members if not member.is_dir()}
    folders = {str(parent) for name in names for parent in PurePosixPath(name).parents}
    return sorted(names & folders)


@contextmanager
def _lock(partial: Path) -> Iterator[None]:
    """Lock the folder for this process; the kernel releases it when the process ends."""
    partial.mkdir(parents=True, exist_ok=True)
    try:
        with file_lock(partial / ".lock", wait=False):
            yield
    except LockedError:
        raise DataError(f"{partial}: another process is fetching; wait for it or stop it") from None


def _check_room(folder: Path, needed: float) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DataError(
            f"{folder}: {needed / GB:.1f} GB of disk are needed and {free / GB:.1f} GB are free; "
            "make room, or name a folder on another disk"
        )
