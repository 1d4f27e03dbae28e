"""Writes the events of a run to its journal, each once."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from steelexp.privacy import public_values
from steelexp.tracking.journal import Event, Journal, New
from steelexp.tracking.receipt import read_progress
from steelexp.tracking.run_events import Warnings, subject


class Recorder:
    """Journal of one run, written by the threads of one process; it raises nothing.

    Args:
        warnings: Function that turns errors into warnings.
    """

    def __init__(self, warnings: Warnings) -> None:
        self._warnings = warnings
        self._lock = threading.Lock()  # the sampler notes in a thread of its own
        self._journal: Journal | None = None
        self._subjects: set[tuple[Any, ...]] = set()
        self._unwritten: list[New] = []

    @property
    def is_open(self) -> bool:
        """Whether there is a journal to write to."""
        return self._journal is not None

    @property
    def events(self) -> Sequence[Event]:
        """Events of the journal so far."""
        return [] if self._journal is None else self._journal.events

    def open(self, folder: Path) -> None:
        """Open the journal of a run folder; a journal that cannot be read or written stays closed.

        Args:
            folder: Run folder.
        """
        self._journal = None
        with self._warnings(""):
            read_progress(folder)
            self._journal = Journal(folder)
            self._subjects = set()
            for event in self._journal.events:
                self._remember(event.kind, event.content)

    def note(self, news: Iterable[New]) -> None:
        """Add what the journal does not hold yet: a resumed run tells its epochs again.

        What the disk does not take is tried again with the next events.

        Args:
            news: Kinds and contents of events.
        """
        if self._journal is not None:
            with self._lock:
                self._write(self._journal, news)

    def _write(self, journal: Journal, news: Iterable[New]) -> None:
        with self._warnings(""):
            for kind, content in news:
                new = (kind, public_values(content))
                if subject(*new) not in self._subjects:
                    self._remember(*new)
                    self._unwritten.append(new)
        with self._warnings("not recorded: "):
            if self._unwritten:
                journal.append(*self._unwritten)
                self._unwritten.clear()

    def _remember(self, kind: str, content: Mapping[str, Any]) -> None:
        """Remember what an event is about; after a new epoch a run can stop once more."""
        if kind == "epoch":
            self._subjects = {about for about in self._subjects if about[0] != "others"}
        self._subjects.add(subject(kind, content))
