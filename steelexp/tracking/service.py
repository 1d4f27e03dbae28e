"""What a tracking service offers, so that a run's journal reaches it with each event once.

The journal, the sending process and its promise belong to every tracker (`journaled`, `sending`).
A service is a module that knows one server: `comet/service.py`. It is listed in `services.py`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from steelexp.tracking.journal import Event

Mode = Literal["auto", "online", "offline"]


class RefusedError(Exception):
    """An event that can never be sent; the message says why."""


class Archive(NamedTuple):
    """A journal written to a file for a later upload.

    Attributes:
        path: Path below the run folder.
        upload: Script and words that upload it, less the path.
        refused: Event number -> reason why it is not in the archive.
    """

    path: str
    upload: tuple[str, ...]
    refused: Mapping[int, str]


class Connection(Protocol):
    """One run's experiment at the server.

    Attributes:
        url: Page of the experiment.
    """

    url: str

    @property
    def error(self) -> str | None:
        """First error that the client has logged since `forget_error`; None without one."""

    def refresh(self, events: Sequence[Event]) -> None:
        """Ask the server what it holds, as far as these events need it."""

    def holds(self, event: Event) -> bool:
        """Whether the server held all of an event at the last `refresh`."""

    def can_list(self, event: Event) -> bool:
        """Whether the server can list this kind of event; it overwrites events of other kinds."""

    def log(self, event: Event) -> None:
        """Hand over what the server lacks of an event.

        Raises:
            RefusedError: The event can never be sent.
        """

    def flush(self, events: Sequence[Event], *, seconds: float) -> bool:
        """Wait until the client has sent these events; False where some may be lost."""

    def forget_error(self) -> None:
        """Begin anew: `error` is None again."""

    def close(self) -> None:
        """Tell the server that the experiment is over."""


class Service(Protocol):
    """A server that mirrors runs.

    Attributes:
        name: Name in messages.
    """

    name: str

    def offline_reason(self, mode: Mode) -> str | None:
        """Reason why nothing can be sent in this mode; None where it can."""

    def connect(self, run: Event, folder: Path) -> Connection:
        """Open a run's experiment: a new one, or the one of the same key.

        Args:
            run: First event of the journal.
            folder: Run folder.
        """

    def write_archive(self, events: Sequence[Event], folder: Path) -> Archive:
        """Write the whole journal to a file below the run folder."""

    def explain(self, error: Exception) -> str:
        """Message for an error of the client, without secrets."""
