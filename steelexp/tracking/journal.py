"""The journal of a run: every event that is tracked, one line each, on disk before anything else.

A line: {"number": 3, "kind": "picture", "time": ..., "content": {"path": ..., "sha256": ..., ...}}.
Numbers count from 1 without a gap. Event 1 is of kind "run" and fixes the experiment's key. Files
are named by their path below the run folder, with a digest, so that they can be sent later. The
checks of the lines begin with the digest of the run, so the journal of another run is noticed.
"""

import errno
import hashlib
import math
import stat
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from steelexp.records.jsonl import DamageError, JsonLines
from steelexp.records.store import RunFolder
from steelexp.tracking.contents import check_content

NAME = "journal.jsonl"

ENDS = ("finished", "stopped", "diverged")
"""What a session of a run ends with."""

New = tuple[str, Mapping[str, Any]]
"""Kind and content of an event to come."""

FIX = (
    "restore it from a copy; without one, an unfinished run is tracked anew when it goes on, and "
    "the rest of a finished one is not sent"
)


@dataclass(frozen=True)
class Event:
    """One thing to track.

    Attributes:
        number: Number of the event, from 1.
        kind: Name in CONTENTS.
        time: Seconds since 1970.
        content: Fields of this kind of event.
    """

    number: int
    kind: str
    time: float
    content: Mapping[str, Any]


class Journal:
    """The journal of one run, open for more; one process at a time writes it.

    Args:
        folder: Run folder. A torn last line, left by a kill, is cut off.

    Raises:
        OSError: the journal cannot be written.
        DamageError: A line is not the event that has to follow.
    """

    def __init__(self, folder: Path) -> None:
        self._lines = _journal_lines(folder)
        self._lines.append()  # fails here rather than at the first event
        self.events = read_events(folder)

    def append(self, *news: New) -> None:
        """Add events of a kind and a content; they are on disk when this returns.

        Raises:
            OSError: the disk takes no more; nothing is added.
        """
        begin = len(self.events) + 1
        events = [
            Event(number, kind, time.time(), content)
            for number, (kind, content) in enumerate(news, start=begin)
        ]
        self._lines.append(*map(asdict, events))
        self.events += events


class EventReader:
    """Reads a run's journal, also while it is written.

    Args:
        folder: Run folder.
    """

    def __init__(self, folder: Path) -> None:
        self._lines = _journal_lines(folder)
        self._end = 0
        self._count = 0

    def read_new(self) -> list[Event]:
        """The events since the last call, in order.

        Raises:
            DamageError: A line is not the event that has to follow.
        """
        events = []
        for line in self._lines.read(self._end):
            if line.entry.number != self._count + 1:
                why = f"number {line.entry.number} after {self._count}"
                raise self._lines.damage(line.start, why)
            self._end = line.end
            self._count += 1
            events.append(line.entry)
        return events


def read_events(folder: Path) -> list[Event]:
    """The events of a run so far, in order.

    Raises:
        DamageError: A line is not the event that has to follow.
    """
    return EventReader(folder).read_new()


def end_of(events: Sequence[Event]) -> float:
    """Time at which a run ended, or its last event so far; a later evaluation is not part of it."""
    ends = [event.time for event in events if is_end(event)]
    return ends[-1] if ends else events[-1].time


def is_end(event: Event) -> bool:
    """Whether a session of a run ended with an event."""
    return event.kind == "others" and event.content.get("status") in ENDS


def damage(folder: Path, why: str) -> DamageError:
    """The error about a journal that is damaged as a whole."""
    return DamageError(f"{folder / NAME}: {why}; {FIX}")


def _journal_lines(folder: Path) -> JsonLines[Event]:
    return JsonLines(
        folder / NAME,
        parse=_event,
        noun="the next event of this run",
        fix=FIX,
        identity=RunFolder(folder).digest,
    )


def _event(values: Any) -> Event:
    event = _EVENT.validate_python(values)
    check_content(event.kind, event.content)
    return event


_EVENT = TypeAdapter(Event)


def file_entry(path: Path, folder: Path, *, most: float = math.inf) -> dict[str, str]:
    """A file as events name it.

    Args:
        path: File below the run folder.
        folder: Run folder.
        most: Largest size in bytes.

    Raises:
        OSError: The file is no regular file, is larger, or cannot be read.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    if status.st_size > most:
        raise OSError(errno.EFBIG, f"{status.st_size} bytes are too many", str(path))
    return {"path": path.relative_to(folder).as_posix(), "sha256": _sha256(path)}


def file_size(event: Event, folder: Path) -> int:
    """Bytes of an event's files; 0 without one."""
    content = event.content
    entries = [content, *content.get("files", ())]
    paths = [folder / entry["path"] for entry in entries if "path" in entry]
    return sum(path.stat().st_size for path in paths if path.is_file())


def unchanged(entry: Mapping[str, str], folder: Path) -> Path | None:
    """The file of an entry; None where it is gone or no longer what it was."""
    path = folder / entry["path"]
    return path if path.is_file() and _sha256(path) == entry["sha256"] else None


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
