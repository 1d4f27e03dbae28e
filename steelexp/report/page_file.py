"""The file of a page: it takes the place of an earlier page, and of no other file."""

import os
from pathlib import Path

from steelexp.errors import UserError, explain_read_errors

MARK = b'<meta name="generator" content="steelexp report">'
"""What tells a page of steelexp from any other; the template has it near its beginning."""

_HEAD = 200  # bytes that hold it


def check_replaceable(file: Path) -> None:
    """Check that a page can take the place of a file: there is none, or it is such a page.

    Args:
        file: File to write.

    Raises:
        UserError: The file is another one.
    """
    fix = "name another file with --out, or remove it"
    if not os.path.lexists(file):
        return
    if not file.is_file():
        raise UserError(f"{file}: not a file; {fix}")
    with explain_read_errors(file, fix), file.open("rb") as stream:
        head = stream.read(_HEAD)
    if head and MARK not in head:
        raise UserError(f"{file}: not a report of steelexp, so it is not replaced; {fix}")
