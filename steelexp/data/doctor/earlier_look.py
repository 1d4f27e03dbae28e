"""The files of the doctor: they take the place of those of an earlier look, and of no others."""

import os
from pathlib import Path

from steelexp.errors import UserError

REPORT = "doctor.json"
PAIR_SHEET = "near_duplicates.png"
"""Name of the picture beside doctor.json."""

_BEGINNING = b'{\n"schema_version": '


def check_replaceable(folder: Path) -> None:
    """Check that files of the doctor's names, if there are any, are of an earlier look.

    Args:
        folder: Folder of the files.

    Raises:
        UserError: The doctor did not write them.
    """
    files = [folder / name for name in (REPORT, PAIR_SHEET)]
    there = [file for file in files if os.path.lexists(file)]
    if there and not _is_report(folder / REPORT):
        raise UserError(
            f"{there[0]}: not written by the doctor, so it is not replaced; choose "
            "another folder with --out"
        )


def _is_report(file: Path) -> bool:
    """Whether a file begins as the doctor's report does."""
    try:
        with file.open("rb") as stream:
            return stream.read(len(_BEGINNING)) == _BEGINNING
    except OSError:
        return False
