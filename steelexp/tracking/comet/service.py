"""Comet as a tracking service: its client, driven so that the sender knows what arrived."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from steelexp.tracking.comet import client, events, experiments
from steelexp.tracking.comet.client import ServerContents
from steelexp.tracking.journal import Event, end_of, file_size, is_end, read_events
from steelexp.tracking.service import Archive, Connection, Mode, RefusedError

if TYPE_CHECKING:
    from comet_ml import CometExperiment


class ErrorCapture(logging.Handler):
    """Keeps the first error that comet_ml logs: it reports most of its failures nowhere else."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.error: str | None = None
        logging.getLogger("comet_ml").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the first error."""
        self.error = self.error or record.getMessage()


class CometConnection:
    """One run's live experiment at Comet.

    Args:
        run: First event of the journal.
        folder: Run folder.

    Raises:
        UserError: The server takes no data for this experiment.
    """

    def __init__(self, run: Event, folder: Path) -> None:
        self._folder = folder
        self._run = run.content
        self._began = run.time
        self._capture = ErrorCapture()
        self._experiment: CometExperiment = experiments.open_live(run.content)
        self._contents: ServerContents | None = None
        self.url = str(self._experiment.url)

    @property
    def error(self) -> str | None:
        """First error that comet_ml has logged since `forget_error`."""
        return self._capture.error

    def forget_error(self) -> None:
        """Set `error` to None."""
        self._capture.error = None

    def refresh(self, batch: Sequence[Event]) -> None:
        """Ask the server what it holds of the experiment."""
        model = self._run["model"] if any(event.kind == "model" for event in batch) else None
        printed = None if self._contents is None else self._contents.printed
        self._contents = client.contents(self._run["key"], model=model, printed=printed)

    def holds(self, event: Event) -> bool:
        """Whether the server held all of an event at the last `refresh`."""
        return self._contents is not None and events.is_held(event, self._contents)

    def can_list(self, event: Event) -> bool:
        """Whether Comet lists this kind of event, as metrics or as files."""
        return events.is_listed(event)

    def log(self, event: Event) -> None:
        """Hand an event to the client, less what the server holds of it.

        Raises:
            RefusedError: The event can never be sent.
        """
        events.log(event, self._experiment, self._folder, self._contents or ServerContents())
        if is_end(event):  # raises where the server does not take them
            experiments.send_times(self._experiment, begin=self._began, end=event.time)

    def flush(self, batch: Sequence[Event], *, seconds: float) -> bool:
        """Wait until the client has sent these events; False where some may be lost."""
        files = sum(file_size(event, self._folder) for event in batch)
        return experiments.flush(self._experiment, files=files, seconds=seconds)

    def close(self) -> None:
        """Tell the server that the experiment is over, and from when to when the run was."""
        experiments.close(
            self._experiment, begin=self._began, end=end_of(read_events(self._folder))
        )


class CometService:
    """Comet, https://www.comet.com."""

    name = "Comet"

    def offline_reason(self, mode: Mode) -> str | None:
        """Reason why nothing can be sent: the mode, or a missing API key."""
        if mode == "offline":
            return "tracking.mode is offline"
        return "no API key is configured" if client.api_key() is None else None

    def connect(self, run: Event, folder: Path) -> Connection:
        """Open a run's experiment: a new one, or the one of the same key.

        Raises:
            UserError: The server takes no data for this experiment.
        """
        return CometConnection(run, folder)

    def write_archive(self, journal: Sequence[Event], folder: Path) -> Archive:
        """Write the journal as the offline archive of `comet upload`."""
        refused = {}
        with experiments.archive(journal[0], folder, end=end_of(journal)) as experiment:
            nothing = ServerContents()
            for event in journal:
                try:
                    events.log(event, experiment, folder, nothing)
                except RefusedError as error:
                    refused[event.number] = str(error)
        path = f"{experiments.FOLDER}/{journal[0].content['key']}.zip"
        return Archive(path, ("comet", "upload"), refused)

    def explain(self, error: Exception) -> str:
        """Message for an error of comet_ml, without the API key."""
        return client.reason(error)
