"""Names of files that are made of other names: 255 bytes at most, of characters that UTF-8 has."""

import hashlib
import os
from pathlib import Path

from steelexp.errors import UserError

_LONGEST = 240  # bytes of a name, which gets an ending; file systems take 255
_BEGINNING = 50  # characters of a longer name; at most four bytes each

PATH_BYTES = 4096 - 512
"""Bytes of the path of a folder of results; the system takes 4096 for a path of a file in it."""


def short_name(name: str) -> str:
    """A name that fits into a file system: its beginning and a hash where it is too long."""
    content = os.fsencode(name)
    if len(content) <= _LONGEST:
        return name
    return f"{name[:_BEGINNING]}-{hashlib.sha256(content).hexdigest()[:12]}"


def is_utf8(name: str) -> bool:
    """Whether a path or an argument is UTF-8; others have halves of characters in Python."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_folder(folder: Path, option: str) -> None:
    """Check that the files of a folder of results can have names, before hours of work.

    Args:
        folder: Folder; it need not exist.
        option: Option that names it, for the message.

    Raises:
        UserError: The path is too long.
    """
    size = len(os.fsencode(folder.absolute()))
    if size > PATH_BYTES:
        raise UserError(
            f"{option}: the path of {folder.name} has {size} bytes, and at most {PATH_BYTES} fit; "
            "choose a shorter one"
        )
