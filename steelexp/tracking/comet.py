"""A run mirrored to Comet: live where an API key is configured, an offline archive otherwise.

The run folder is the truth and Comet a copy. So from `start` on nothing here raises, waits long or
says a thing twice. Every event is kept until the end, and an archive is written in one go when the
run is finished: it is complete by itself, and a killed run leaves none. Resumed, such a run is told
of its earlier epochs again.
"""

import logging
import shlex
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from steelexp.tracking import comet_client
from steelexp.tracking.comet_client import Place
from steelexp.tracking.tracker import TrackedRun, Tracker, TrackingError

if TYPE_CHECKING:
    from comet_ml import CometExperiment

Event = partial[None]
"""Logs one thing into the experiment it is called with."""

Mode = Literal["auto", "online", "offline"]

LOGGER = logging.getLogger(__name__)


class CometTracker:
    """Mirrors one run to one Comet experiment, under the key that its identity makes."""

    def __init__(self, place: Place, mode: Mode) -> None:
        self.wants_replay = False
        self._place = place
        self._mode = mode
        self._api_key: str | None = None
        self._live: CometExperiment | None = None
        self._events: list[Event] = []
        self._lacking: str | None = None  # why the server has not all of the run
        self._said: set[Hashable] = set()
        self._ear = _Ear(self._hear)
        self._ending = False

    def start(self, run: TrackedRun) -> None:
        """Open the live experiment; where that cannot be, an archive follows at the end."""
        self._run, self._began = run, time.time()
        self.wants_replay = run.resumed
        try:
            self._live = self._connect(run)
            if self._live is not None and not comet_client.is_new(self._live):
                self.wants_replay = False
            comet_client.remove_unfinished(run)
        except Exception as error:
            self._fail(comet_client.reason(error), about="start")
        self._ear.listen()
        self._take(partial(comet_client.log_run, run=run))

    def epoch(self, epoch: int, metrics: Mapping[str, float], step: int) -> None:
        """Send the metrics of an epoch."""
        self._take(partial(comet_client.log_epoch, epoch=epoch, metrics=dict(metrics), step=step))

    def picture(self, path: Path, *, name: str, epoch: int, step: int) -> None:
        """Send a picture; one name at many steps is one picture with a slider."""
        self._take(partial(comet_client.log_picture, path=path, name=name, epoch=epoch, step=step))

    def finish(self, metrics: Mapping[str, float]) -> str:
        """Send the final metrics and wait for the server: 1 s as a rule, 28 s where it hangs."""
        self._take(partial(comet_client.log_result, metrics=dict(metrics)))
        url = self._end_live()
        if url is not None and self._lacking is None:
            told = f"{_count(self._events)} at {url}"
        elif url is not None:
            told = f"{url} lacks part of this run ({self._lacking}); {self._archive()}"
        else:
            told = f"not sent ({self._lacking}); {self._archive()}"
        self._ear.close()
        return f"Comet: {told}"

    def _connect(self, run: TrackedRun) -> "CometExperiment | None":
        if self._mode == "offline":
            self._lacking = "tracking.mode is offline"
            return None
        self._api_key = comet_client.api_key()
        if self._api_key is None:
            self._lacking = "no API key is configured"
            return None
        return comet_client.open_live(run, self._place)

    def _take(self, event: Event) -> None:
        self._events.append(event)
        if self._live is not None:
            self._log(event, self._live)

    def _log(self, event: Event, experiment: "CometExperiment") -> bool:
        try:
            event(experiment)
        except TrackingError as error:
            self._fail(str(error), about=logging.ERROR)
            return False
        except Exception as error:
            self._fail(comet_client.reason(error), about=event.func)
            return False
        return True

    def _end_live(self) -> str | None:
        if self._live is None:
            return None
        url = "Comet"
        self._ending = True
        try:
            url = str(self._live.url)
            self._live.end()
        except Exception as error:
            self._fail(comet_client.reason(error), about="end")
        self._ending = False
        return url

    def _archive(self) -> str:
        try:
            with comet_client.archive(self._run, self._place, began=self._began) as experiment:
                kept = [event for event in self._events if self._log(event, experiment)]
            path = comet_client.archive_path(self._run)
        except Exception as error:
            return f"no archive either ({self._clean(comet_client.reason(error))})"
        return f"{_count(kept)} kept; send with: comet upload {shlex.quote(str(path))}"

    def _hear(self, record: logging.LogRecord) -> None:
        """Take what comet_ml logs: it reports most of its failures nowhere else."""
        if self._ending:
            self._fail("the server did not take all of it in time", about=logging.ERROR)
        elif record.levelno >= logging.ERROR:
            self._fail(record.getMessage(), about=logging.ERROR)
        elif self._lacking is None:
            self._say(record.getMessage(), about=record.msg)

    def _fail(self, text: str, about: Hashable) -> None:
        self._lacking = self._lacking or self._clean(text)
        self._say(text, about)

    def _say(self, text: str, about: Hashable) -> None:
        """Warn in one line; the same text, or another about the same thing, is not said again."""
        line = self._clean(text)
        if self._said.isdisjoint({line, about}):
            LOGGER.warning("Comet: %s (the run is not affected)", line)
        self._said |= {line, about}

    def _clean(self, text: str) -> str:
        if self._api_key:
            text = text.replace(self._api_key, "***")
        return " ".join(text.split())[:300]


class _Ear(logging.Handler):
    """Passes on the warnings of comet_ml, whose own console is silenced."""

    def __init__(self, hear: Callable[[logging.LogRecord], None]) -> None:
        super().__init__(logging.WARNING)
        self._hear = hear

    def emit(self, record: logging.LogRecord) -> None:
        self._hear(record)

    def listen(self) -> None:
        logger = logging.getLogger("comet_ml")
        logger.setLevel(min(logger.level or logging.WARNING, logging.WARNING))
        logger.addHandler(self)

    def close(self) -> None:
        logging.getLogger("comet_ml").removeHandler(self)
        super().close()


def _count(events: Sequence[Event]) -> str:
    epochs = sum(event.func is comet_client.log_epoch for event in events)
    pictures = sum(event.func is comet_client.log_picture for event in events)
    return f"{epochs} epoch{'s' * (epochs != 1)}, {pictures} picture{'s' * (pictures != 1)}"


def comet(
    *, project: str = "steelexp", workspace: str | None = None, mode: Mode = "auto"
) -> Tracker:
    """Comet (https://www.comet.com): live with an API key, an offline archive otherwise.

    Args:
        project: Comet project.
        workspace: Comet workspace; absent: the default of the API key's owner.
        mode: `auto`: live where an API key is configured and the server answers; `online`: refused
            without an API key; `offline`: always an archive.

    Returns:
        A tracker of one run.

    Raises:
        TrackingError: `mode: online` and no API key is configured.
    """
    if mode == "online" and comet_client.api_key() is None:
        raise TrackingError(
            "tracking.mode is online, and no Comet API key is configured: set COMET_API_KEY, "
            "or run `comet login`, or set tracking.mode to auto or offline"
        )
    return CometTracker(Place(project, workspace), mode)
