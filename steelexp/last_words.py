"""A line about a process that could not write one itself: killed, or aborted in a library.

The kernel kills a process that exceeds its memory, and C++ libraries abort when they get none. So a
shell waits for the end of the process. It holds one end of a pipe: a byte means an orderly end.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_SCRIPT = 'read -r end || printf "%s\\n" "$1" >&2'


@contextmanager
def last_words(line: str) -> Iterator[None]:
    """Have a line printed on standard error if the process does not reach the end of the block.

    Without a shell, or where no process can be started, there is no such line.

    Args:
        line: Line that says what may have happened, and the way on.
    """
    try:
        shell = subprocess.Popen(
            [shutil.which("sh") or "/bin/sh", "-c", _SCRIPT, "sh", line],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            cwd="/",  # or it would keep a file system busy
            start_new_session=True,  # signals of the terminal are not for it
        )
    except OSError:
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError):
            shell.communicate(b"\n")
