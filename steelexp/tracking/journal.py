"""The journal of a run: every event that is tracked, one line each, on disk before anything else.

A line: {"number": 3, "kind": "picture", "time": ..., "content": {"path": ..., "sha256": ..., ...}}.
Numbers count from 1 without a gap. Event 1 is of kind "run" and fixes the experiment's key. Files
are named by their path below the run folder, with a digest, so that they can be sent later.
"""

import errno
import hashlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from steelexp.records.store import DamagedError

NAME = "journal.jsonl"


@dataclass(frozen=True)
class Event:
    """One thing to track.

    Attributes:
        number: Number of the event, from 1.
        kind: One of run, asset, epoch, picture, others, table, curve, confusion or model.
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
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / NAME
        content = self._path.read_bytes() if self._path.is_file() else b""
        if not content.endswith(b"\n"):
            with self._path.open("ab") as stream:
                stream.truncate(content.rfind(b"\n") + 1)
        self.events = read_events(folder)

    def append(self, *news: tuple[str, Mapping[str, Any]]) -> None:
        """Add events of a kind and a content; they are on disk when this returns.

        Raises:
            OSError: the disk takes no more; nothing is added.
        """
        begin = len(self.events) + 1
        events = [
            Event(number, kind, time.time(), content)
            for number, (kind, content) in enumerate(news, start=begin)
        ]
        lines = "".join(json.dumps(asdict(event)) + "\n" for event in events)
        with self._path.open("ab", buffering=0) as stream:
            before = stream.tell()
            try:
                if stream.write(lines.encode()) < len(lines.encode()):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
                os.fsync(stream.fileno())
            except OSError:
                stream.truncate(before)
                raise
        self.events += events


def read_events(folder: Path) -> list[Event]:
    """The events of a run, in order; a torn last line, perhaps still being written, is left out.

    Raises:
        DamagedError: a whole line is not the event that has to follow.
    """
    path = folder / NAME
    if not path.is_file():
        return []
    events: list[Event] = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
        try:
            event = Event(**json.loads(line))
        except (ValueError, TypeError):
            event = None
        if event is None or event.number != number:
            raise DamagedError(f"{path}:{number}: not event {number} of a journal")
        events.append(event)
    return events


def file_entry(path: Path, folder: Path) -> dict[str, str]:
    """A file as events name it."""
    return {"path": path.relative_to(folder).as_posix(), "sha256": _sha256(path)}


def unchanged(entry: Mapping[str, str], folder: Path) -> Path | None:
    """The file of an entry; None where it is gone or no longer what it was."""
    path = folder / entry["path"]
    return path if path.is_file() and _sha256(path) == entry["sha256"] else None


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        digest = hashlib.sha256()
        while block := stream.read(1 << 20):
            digest.update(block)
        return digest.hexdigest()
