"""Errors that nobody foresaw: one line for the user, the traceback in a log file.

The log lies in the working directory, beside the runs it is about, because the temporary folder of
a cluster node is gone when its job ends. It lies there only where the working directory cannot be
written.
"""

import os
import platform
import shlex
import sys
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path

from steelexp import __version__
from steelexp.errors import named_path, reason
from steelexp.privacy import public, without_secrets
from steelexp.terminal import visible_lines

_LONGEST = 300  # characters of a message that are repeated in the line


def crash_line(error: Exception) -> str:
    """Write the traceback to a log file; return the line that says what happened and where it is.

    Args:
        error: Error that reached the command line.
    """
    log = _write_log(error)
    where = f"the traceback is in {log}" if log else "no log file could be written"
    if isinstance(error, OSError):
        path = named_path(error)
        return f"{path}: {reason(error)}; {where}" if path else f"{reason(error)}; {where}"
    text = without_secrets(f"{type(error).__name__}: {reason(error)}")[:_LONGEST]
    return f"this is a bug ({text}); {where}, please report it"


def _write_log(error: Exception) -> Path | None:
    """Write the log where that is possible first."""
    now = datetime.now(UTC)
    name = f"steelexp-error-{now:%Y%m%d-%H%M%S}-{os.getpid()}.log"
    text = "".join(
        [
            f"steelexp {__version__}, Python {platform.python_version()}, {platform.platform()}\n",
            f"{shlex.join(sys.argv)}\n\n",
            *traceback.format_exception(error),
        ]
    )
    content = visible_lines(public(text))
    for folder in (Path(), Path(tempfile.gettempdir())):
        try:
            (folder / name).write_text(content, "utf-8")
        except OSError:
            continue
        return folder / name
    return None
