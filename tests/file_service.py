"""A tracking service that is not Comet: its server is a file."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from steelexp.tracking.journal import Event
from steelexp.tracking.service import Archive, RefusedError


class FileServer:
    """A server that keeps its events in a file; `lost_answers` makes it misbehave."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lost_answers = 0

    @property
    def events(self) -> list[dict[str, Any]]:
        """Experiment, number, kind and content of each event, in the order in which they came."""
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        return [json.loads(line) for line in lines]

    @property
    def numbers(self) -> list[int]:
        """The number of each event."""
        return [event["number"] for event in self.events]

    def take(self, key: str, event: Event) -> bool:
        """Keep an event; whether the client hears of it."""
        values = {"number": event.number, "kind": event.kind, "content": event.content}
        with self.path.open("a") as stream:
            stream.write(json.dumps({"key": key, **values}) + "\n")
        self.lost_answers -= 1
        return self.lost_answers < 0


class FileConnection:
    """One experiment there."""

    url = "file:///experiment"
    error = None

    def __init__(self, server: FileServer, key: str) -> None:
        self._server = server
        self._key = key
        self._numbers: set[int] = set()
        self._answers: list[bool] = []

    def refresh(self, events: Sequence[Event]) -> None:
        self._numbers = {each["number"] for each in self._server.events if each["key"] == self._key}

    def holds(self, event: Event) -> bool:
        return event.number in self._numbers

    def can_list(self, event: Event) -> bool:
        return True

    def log(self, event: Event) -> None:
        if event.kind == "table":
            raise RefusedError("no tables")
        self._answers.append(self._server.take(self._key, event))

    def flush(self, events: Sequence[Event], *, seconds: float) -> bool:
        return all(self._answers)

    def forget_error(self) -> None:
        pass

    def close(self) -> None:
        pass


class FileService:
    """The service of such a server."""

    name = "File"

    def __init__(self, server: FileServer) -> None:
        self._server = server

    def offline_reason(self, mode: str) -> str | None:
        return "tracking.mode is offline" if mode == "offline" else None

    def connect(self, run: Event, folder: Path) -> FileConnection:
        return FileConnection(self._server, run.content["key"])

    def write_archive(self, events: Sequence[Event], folder: Path) -> Archive:
        (folder / "archive").write_text(str(len(events)))
        return Archive("archive", ("file", "upload"), {})

    def explain(self, error: Exception) -> str:
        return str(error)
