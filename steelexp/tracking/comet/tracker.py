"""A run mirrored to Comet: live where an API key is configured, an offline archive otherwise.

The run folder is the truth and Comet a copy. The tracker writes every event into the run's journal
and wakes a process that sends it (`sending`), so that training neither waits for Comet nor fails
with it. What is not sent when the run ends, `python -m steelexp sync` sends later. The key of the
experiment stands in the journal, so that a resumed run, and every later `sync`, goes on with the
same experiment; a new run folder is a new one.
"""

import hashlib
import json
import logging
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from steelexp.errors import UserError
from steelexp.tracking import delivery
from steelexp.tracking.comet import client as comet_client
from steelexp.tracking.delivery import ELSEWHERE
from steelexp.tracking.journal import NAME as JOURNAL
from steelexp.tracking.journal import Journal, file_entry
from steelexp.tracking.receipt import read_receipt
from steelexp.tracking.results import results
from steelexp.tracking.sending import BUSY, Mode
from steelexp.tracking.tracker import Picture, TrackedRun, Tracker

New = tuple[str, Mapping[str, Any]]
"""Kind and content of an event to come."""

LOGGER = logging.getLogger(__name__)

AGAIN = 300.0
"""Seconds after which sending that failed is tried again while the run goes on."""

LINGER = 60.0
"""Seconds that the rest may take to be sent when a run has ended; 1 as a rule."""


class CometTracker:
    """Mirrors one run to one Comet experiment.

    Args:
        project: at Comet.
        workspace: at Comet; None: the default of the API key's owner.
        mode: as for comet.
    """

    def __init__(self, project: str, workspace: str | None, mode: Mode) -> None:
        self._project, self._workspace, self._mode = project, workspace, mode
        self._sending: subprocess.Popen[bytes] | None = None
        self._begun = -AGAIN
        self._said: set[str] = set()

    def start(self, run: TrackedRun) -> None:
        """Open the run's journal, and begin to send it."""
        self._run = run
        self._journal: Journal | None = None
        try:
            self._journal = Journal(run.folder)
        except (OSError, UserError) as error:
            self._say(str(error))
        self._note(self._opening(run))
        self._wake()

    def epoch(
        self, epoch: int, metrics: Mapping[str, float], step: int, pictures: Sequence[Picture] = ()
    ) -> None:
        """Note an epoch and its pictures."""
        self._note(self._epoch(epoch, metrics, step, pictures))
        self._wake()

    def finish(self, metrics: Mapping[str, float]) -> str:
        """Note what came out, and wait for the rest to be sent."""
        self._note(results(self._run, metrics))
        return self._close()

    def evaluated(self, run: TrackedRun, name: str, metrics: Mapping[str, float]) -> str:
        """Note the metrics of a run that was tracked and is evaluated again."""
        if not (run.folder / JOURNAL).is_file():
            return "Comet: not tracked"
        self.start(run)
        self._note([("others", {f"{name}/{metric}": value for metric, value in metrics.items()})])
        return self._close()

    def _close(self) -> str:
        """Wait for the rest to be sent; how far it is."""
        if self._journal is None:
            return "Comet: not tracked"
        self._begun = -AGAIN
        self._wake()
        if self._sending is not None:
            busy = delivery.end(self._sending) == BUSY
            return delivery.status_line(self._run.folder, problem=ELSEWHERE if busy else None)
        return delivery.status_line(self._run.folder)

    def _opening(self, run: TrackedRun) -> Iterator[New]:
        others: dict[str, Any] = {f"git/{name}": value for name, value in run.git.items()}
        tags = list(run.tags)
        if run.trial is not None:
            tags.append(f"search {run.trial.search}")
            others |= {"search": run.trial.search, "search/trial": run.trial.trial}
            others |= {f"search/{path}": value for path, value in run.trial.values.items()}
        moment = f"{run.identity}/{time.time_ns()}"  # a run begun anew is another experiment
        opening = {
            "key": hashlib.sha1(moment.encode(), usedforsecurity=False).hexdigest(),
            "project": self._project,
            "workspace": self._workspace,
            "name": run.name,
            "tags": tags,
            "parameters": dict(run.parameters),
            "others": others,
            "model": run.model,
        }
        yield "run", opening
        for path in run.files:
            if path.stat().st_size:  # Comet takes no empty file
                yield "asset", file_entry(path, run.folder)

    def _epoch(
        self, epoch: int, metrics: Mapping[str, float], step: int, pictures: Sequence[Picture]
    ) -> Iterator[New]:
        place = {"epoch": epoch, "step": step}
        yield "epoch", {**place, "metrics": dict(metrics)}
        for name, path in pictures:
            beside = path.with_suffix(".json")
            layers = file_entry(beside, self._run.folder) if beside.is_file() else None
            file = file_entry(path, self._run.folder)
            yield "picture", {**place, "name": name, "layers": layers, **file}

    def _note(self, news: Iterable[New]) -> None:
        """Add to the journal what it does not hold yet: a resumed run tells its epochs again."""
        if self._journal is None:
            return
        known = {_subject(event.kind, event.content) for event in self._journal.events}
        try:
            self._journal.append(*(new for new in news if _subject(*new) not in known))
        except Exception as error:  # the run must not fail with its tracking
            self._say(f"not noted: {error}")

    def _wake(self) -> None:
        """Tell the sending process that there is more, or start one."""
        if self._journal is None:
            return
        if self._sending is not None and self._sending.poll() is None:
            delivery.prompt(self._sending)
            return
        if self._sending is not None and (problem := read_receipt(self._run.folder).problem):
            self._say(problem)
        if time.monotonic() - self._begun >= AGAIN:
            self._begun = time.monotonic()
            if self._sending is not None:
                delivery.end(self._sending)  # it has ended; its pipe has not
            self._sending = delivery.begin_sending(self._run.folder, self._mode, LINGER)

    def _say(self, problem: str) -> None:
        """Warn in one line, of the same thing once."""
        if problem not in self._said:
            LOGGER.warning("Comet: %s (the run is not affected)", problem)
        self._said.add(problem)


def _subject(kind: str, content: Mapping[str, Any]) -> tuple[Any, ...]:
    """What an event is about; of one thing the journal holds one event, of others the changes."""
    if kind == "others":
        return kind, json.dumps(content, sort_keys=True)
    return kind, content.get("epoch"), content.get("name"), content.get("path")


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
        UserError: `mode: online` and no API key is configured.
    """
    if mode == "online" and comet_client.api_key() is None:
        raise UserError(
            "tracking.mode is online, and no Comet API key is configured: set COMET_API_KEY, "
            "or run `comet login`, or set tracking.mode to auto or offline"
        )
    return CometTracker(project, workspace, mode)
