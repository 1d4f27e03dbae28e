"""A run's journal on its way to the service: the process that sends it, and how far it is sent."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from steelexp.command_line import command_line, script_line
from steelexp.errors import reason
from steelexp.tracking.journal import FIX, Event
from steelexp.tracking.journal import NAME as JOURNAL
from steelexp.tracking.receipt import Receipt, read_progress
from steelexp.tracking.sending import BUSY
from steelexp.tracking.service import Mode
from steelexp.tracking.services import service_of
from steelexp.tracking.signals import END

SENT_ELSEWHERE = "another process is sending this run"
NO_PROCESS = "no process can be started"
NO_END = f"the end of the run is not in {JOURNAL}: {FIX}"
KILLED = "the sending process hung and was killed"

SPARE_SECONDS = 10.0
"""Seconds that a sending process may take beyond its own limit before it is killed.

It starts in 2 s, and a call in progress ends in 2 s more.
"""

KILL_SECONDS = 5.0
"""Seconds to wait for a killed process; one that hangs in the kernel is left to it."""

SYNC_SECONDS = 1800.0
"""Longest time of `sync`."""


def begin_sending(folder: Path, mode: Mode, grace_seconds: float) -> subprocess.Popen[bytes]:
    """Start the process that sends a run's journal; a line on its stdin means that it has grown."""
    package = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "steelexp.tracking.sending",
            str(folder.absolute()),
            mode,
            str(grace_seconds),
        ],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": path},
        start_new_session=True,  # Ctrl-C stops the run, which then waits for this
    )
    assert process.stdin is not None
    os.set_blocking(process.stdin.fileno(), False)  # a process that hangs does not empty the pipe
    return process


def prompt(process: "subprocess.Popen[bytes]") -> None:
    """Tell the sending process that the journal has grown; never wait for it."""
    assert process.stdin is not None
    with suppress(OSError):  # it may just have ended
        process.stdin.write(b"\n")


def end(process: "subprocess.Popen[bytes]", seconds: float) -> str | None:
    """Tell the sending process that the journal is complete, and wait until it has ended.

    Args:
        process: Sending process.
        seconds: Seconds after which it is killed.

    Returns:
        Reason why it could not finish, where the receipt has none.
    """
    assert process.stdin is not None
    with suppress(OSError), process.stdin as stdin:
        stdin.write(END.encode())
    try:
        return SENT_ELSEWHERE if process.wait(seconds) == BUSY else None
    except subprocess.TimeoutExpired:
        _kill(process)
        return KILLED


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(KILL_SECONDS)


def sync(folder: Path, seconds: float = SYNC_SECONDS) -> tuple[bool, str]:
    """Send what the service lacks of a run. A second call sends nothing twice.

    Args:
        folder: Run folder with a journal.
        seconds: Longest time to send. The process that sends may take `SPARE_SECONDS` more.

    Returns:
        Whether the service now has all of it, and the line that says so.

    Raises:
        UserError: the journal cannot be read.
    """
    problem = None
    if not _is_complete(folder):
        problem = _send_rest(folder, seconds) if seconds > 0 else "no time was left"
    line = status_line(folder, problem=problem)
    return _is_complete(folder) and not line.endswith(NO_END), line


def _send_rest(folder: Path, seconds: float) -> str | None:
    """Send with a process of its own; the reason why it could not finish, where it left none."""
    try:
        process = begin_sending(folder, "online", seconds)
    except OSError as error:
        return f"{NO_PROCESS}: {reason(error)}"
    try:
        return end(process, seconds + SPARE_SECONDS)
    except KeyboardInterrupt:
        _kill(process)  # the next call sends what this one left
        raise


def status_line(folder: Path, *, problem: str | None = None) -> str:
    """One line: how much of a run is sent, and the command that sends the rest.

    Args:
        folder: Run folder with a journal.
        problem: Reason why the rest is not sent yet, where the receipt has none.

    Raises:
        UserError: The journal cannot be read, or holds nothing.
    """
    events, receipt = read_progress(folder)
    service = service_of(events, folder).name
    delivered = [
        event for event in events[: receipt.acknowledged] if event.number not in receipt.refused
    ]
    refused = "".join(f"; left out: {why}" for why in receipt.refused.values())
    if receipt.acknowledged == len(events):
        lack = f"; {NO_END}" if _lacks_end(events, folder) else ""
        return f"{service}: {_count(delivered)} at {receipt.url}{refused}{lack}"
    status = f"sent to {receipt.url}: {_count(delivered)}" if receipt.acknowledged else "not sent"
    why = problem or receipt.problem or "interrupted"
    command = command_line("sync", folder)
    rest = f"{command}{_archived(folder, receipt)}"
    return f"{service}: {status} ({why}){refused}; send the rest with: {rest}"


def _is_complete(folder: Path) -> bool:
    events, receipt = read_progress(folder)
    return receipt.acknowledged == len(events) > 0


def _lacks_end(events: Sequence[Event], folder: Path) -> bool:
    """Whether a run is finished and its journal does not say so: the last lines are lost."""
    ends = (e.kind == "others" and e.content.get("status") == "finished" for e in events)
    return (folder / "record.json").is_file() and not any(ends)


def _archived(folder: Path, receipt: Receipt) -> str:
    if receipt.archive is None or receipt.acknowledged:
        return ""
    return f"  or: {script_line(*receipt.upload, folder / receipt.archive)}"


def _count(events: Sequence[Event]) -> str:
    epochs, pictures = (sum(e.kind == kind for e in events) for kind in ("epoch", "picture"))
    return f"{epochs} epoch{'s' * (epochs != 1)}, {pictures} picture{'s' * (pictures != 1)}"
