"""A run's journal on its way to the service: the process that sends it, and how far it is sent."""

import math
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from steelexp.command_line import command_line, script_line
from steelexp.tracking.journal import Event, read_events
from steelexp.tracking.receipt import Receipt, read_receipt
from steelexp.tracking.sending import BUSY, END
from steelexp.tracking.service import Mode
from steelexp.tracking.services import SERVICES

SENT_ELSEWHERE = "another process is sending this run"


def begin_sending(folder: Path, mode: Mode, grace_seconds: float) -> subprocess.Popen[bytes]:
    """Start the process that sends a run's journal; a line on its stdin means that it has grown."""
    package = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
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


def prompt(process: "subprocess.Popen[bytes]") -> None:
    """Tell the sending process that the journal has grown."""
    assert process.stdin is not None
    with suppress(OSError):  # it may just have ended
        process.stdin.write(b"\n")


def end(process: "subprocess.Popen[bytes]") -> int:
    """Tell the sending process that the journal is complete; wait and return its exit code."""
    assert process.stdin is not None
    with suppress(OSError), process.stdin as stdin:
        stdin.write(END.encode())
    return process.wait()


def sync(folder: Path) -> tuple[bool, str]:
    """Send what the service lacks of a run. A second call sends nothing twice.

    Args:
        folder: Run folder with a journal.

    Returns:
        Whether the service now has all of it, and the line that says so.

    Raises:
        UserError: the journal cannot be read.
    """
    if not _is_complete(folder) and end(begin_sending(folder, "online", math.inf)) == BUSY:
        return False, status_line(folder, problem=SENT_ELSEWHERE)
    return _is_complete(folder), status_line(folder)


def status_line(folder: Path, *, problem: str | None = None) -> str:
    """One line: how much of a run is sent, and the command that sends the rest."""
    events = read_events(folder)
    receipt = read_receipt(folder)
    service = _service_name(events)
    delivered = [
        event for event in events[: receipt.acknowledged] if event.number not in receipt.refused
    ]
    refused = "".join(f"; left out: {why}" for why in receipt.refused.values())
    if receipt.acknowledged == len(events):
        return f"{service}: {_count(delivered)} at {receipt.url}{refused}"
    status = f"sent to {receipt.url}: {_count(delivered)}" if receipt.acknowledged else "not sent"
    why = problem or receipt.problem or "interrupted"
    command = command_line("sync", folder)
    rest = f"{command}{_archived(folder, receipt)}{refused}"
    return f"{service}: {status} ({why}); send the rest with: {rest}"


def _service_name(events: Sequence[Event]) -> str:
    return SERVICES[events[0].content["service"]]().name


def _is_complete(folder: Path) -> bool:
    return read_receipt(folder).acknowledged == len(read_events(folder))


def _archived(folder: Path, receipt: Receipt) -> str:
    if receipt.archive is None or receipt.acknowledged:
        return ""
    return f"  or: {script_line(*receipt.upload, folder / receipt.archive)}"


def _count(events: Sequence[Event]) -> str:
    epochs, pictures = (sum(e.kind == kind for e in events) for kind in ("epoch", "picture"))
    return f"{epochs} epoch{'s' * (epochs != 1)}, {pictures} picture{'s' * (pictures != 1)}"
