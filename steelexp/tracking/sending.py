"""Sends a run's journal to Comet, in a process of its own: python -m steelexp.tracking.sending.

How every event arrives once. The client cannot say which of the things it was given the server
took: an answer may get lost, a kill may come before the answer, and what it tries again by itself
may be there already. So an event counts as acknowledged when the server lists it among what it
holds of the experiment, and not before; and:

- Whoever begins to send asks the server first and leaves out what it holds. That covers kills at
  any moment, a lost comet.json, and an archive that somebody uploaded by hand.
- A process gives the client each event once. After a failure it sends nothing more and ends without
  clean-up (`os._exit`), so that nothing it still has in hand can arrive later; the next process
  asks again. For this the sender is a process and no thread. It also keeps all that Comet's client
  does, and its hanging, out of the training.
- One process at a time sends a run: a lock, which the kernel lifts with the process.
- Events go in order, an epoch with its pictures at a time, the next after the acknowledgement.
- Parameters and the like, which merely overwrite, are not asked for; they are sent again.

A server that shows what it took only after `SETTLING` seconds and a new process could be sent it
twice; nothing shorter than an answer from the server can exclude that.
"""

import logging
import math
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from steelexp.tracking.comet import client as comet_client
from steelexp.tracking.comet import events as comet_events
from steelexp.tracking.comet.client import ServerContents
from steelexp.tracking.journal import Event, read_events
from steelexp.tracking.receipt import read_receipt, write_receipt

if TYPE_CHECKING:
    from comet_ml import CometExperiment

Mode = Literal["auto", "online", "offline"]

SETTLING = 10.0
"""Seconds within which the server lists what it took."""

PATIENCE = 30.0
"""Seconds to wait for another process that sends the same run."""

SENT, UNSENT, BUSY = 0, 1, 3
"""Exit codes."""

END = "end\n"
"""The last line on stdin; its end alone would not do where another process inherited the pipe."""


class UnsentError(Exception):
    """The rest cannot be sent now; the message says why."""


class StdinSignals:
    """Lines on stdin: each says that the journal has grown, END or the end that it is complete.

    Args:
        linger: seconds after the end in which sending may go on.
    """

    def __init__(self, linger: float) -> None:
        self.ended = False
        self._linger, self._until = linger, math.inf
        self._news = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def left(self) -> float:
        """Seconds in which sending may go on."""
        return self._until - time.monotonic()

    def wait(self) -> None:
        """Until there is a line, or the end."""
        self._news.wait()
        self._news.clear()

    def _listen(self) -> None:
        for line in sys.stdin:
            if line == END:
                break
            self._news.set()
        self._until = time.monotonic() + self._linger
        self.ended = True
        self._news.set()


class ErrorCapture(logging.Handler):
    """Hears the errors that comet_ml logs: it reports most of its failures nowhere else."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.heard: str | None = None
        logging.getLogger("comet_ml").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the first."""
        self.heard = self.heard or record.getMessage()

    def forget(self) -> None:
        """As if nothing had been heard."""
        self.heard = None


class Sender:
    """Sends the journal of one run to its live experiment.

    Args:
        folder: of the run.

    Raises:
        UnsentError: the server cannot be had.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._receipt = folder, read_receipt(folder)
        run = read_events(folder)[0].content
        self._key, self._model = run["key"], run["model"]
        self._ear = ErrorCapture()
        self._live: CometExperiment = comet_client.open_live(run)
        self._receipt.url, self._receipt.problem = str(self._live.url), None
        write_receipt(folder, self._receipt)
        self._held: ServerContents | None = None

    def send_pending(self, prompts: "StdinSignals") -> None:
        """Send what the journal has by now.

        Raises:
            UnsentError: something is not acknowledged, or there is no more time.
        """
        for events in by_epoch(read_events(self._folder)[self._receipt.acknowledged :]):
            if prompts.left < 0:
                raise UnsentError("out of time")
            self._send(events, prompts.left)
            self._receipt.acknowledged = events[-1].number
            write_receipt(self._folder, self._receipt)

    def close(self) -> None:
        """Tell the server that the experiment is over."""
        self._live.end()

    def _send(self, events: Sequence[Event], seconds: float) -> None:
        self._ear.forget()  # what went wrong meanwhile was none of our events
        model = self._model if any(event.kind == "model" for event in events) else None
        if self._held is None or model:
            self._held = comet_client.held(self._key, model=model)
        lacking = [event for event in events if not comet_events.is_held(event, self._held)]
        given = [event for event in lacking if self._give(event, self._held)]
        files = sum(comet_events.size(event, self._folder) for event in given)
        if given and not comet_client.delivered(self._live, files=files, seconds=seconds):
            raise UnsentError(self._ear.heard or "the server did not take all of it in time")
        listed = [event for event in given if comet_events.is_listed(event)]
        until = time.monotonic() + SETTLING
        while not all(comet_events.is_held(event, self._held) for event in listed):
            if self._ear.heard or time.monotonic() > until:
                raise UnsentError(self._ear.heard or "the server does not list all that it took")
            time.sleep(0.2)
            self._held = comet_client.held(self._key, model=model)
        if self._ear.heard:
            raise UnsentError(self._ear.heard)

    def _give(self, event: Event, held: ServerContents) -> bool:
        try:
            comet_events.log(event, self._live, self._folder, held)
        except comet_events.RefusedError as error:
            self._receipt.refused[event.number] = str(error)
            self._ear.forget()  # what was wrong with this event
            return False
        return True


def by_epoch(events: Sequence[Event]) -> Iterator[list[Event]]:
    """What is sent together: an epoch with its pictures, or what lies before or after them all."""

    def epoch(event: Event) -> int | None:
        number = event.content.get("epoch")
        return None if number is None else int(number)

    for _, together in groupby(events, epoch):
        yield list(together)


def write_archive(folder: Path) -> None:
    """Write the whole journal as an offline archive, unless part of it was sent already."""
    receipt, events = read_receipt(folder), read_events(folder)
    if receipt.acknowledged:
        return
    with comet_client.archive(events[0], folder) as experiment:
        for event in events:
            try:
                comet_events.log(event, experiment, folder, ServerContents())
            except comet_events.RefusedError as error:
                receipt.refused[event.number] = str(error)
    receipt.archive = f"{comet_client.FOLDER}/{events[0].content['key']}.zip"
    write_receipt(folder, receipt)


def send(folder: Path, mode: Mode, prompts: StdinSignals) -> None:
    """Send what the journal has, and what it gets, until the end of the prompts.

    Raises:
        UnsentError: the rest cannot be sent now.
    """
    offline = "tracking.mode is offline" if mode == "offline" else None
    if offline is None and comet_client.api_key() is None:
        offline = "no API key is configured"
    if offline:
        while not prompts.ended:
            prompts.wait()
        write_archive(folder)
        raise UnsentError(offline)
    sender = Sender(folder)
    while True:
        ended = prompts.ended
        sender.send_pending(prompts)
        if ended:
            break
        prompts.wait()
    sender.close()


def main(folder: Path, mode: Mode, linger: float) -> int:
    """Send under the run's lock; what prevents it goes into the receipt."""
    from filelock import FileLock, Timeout  # imports asyncio, which --help need not

    lock = FileLock(folder / ".sending")
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        return BUSY
    try:
        send(folder, mode, StdinSignals(linger))
    except Exception as error:
        text = str(error) if isinstance(error, UnsentError) else comet_client.reason(error)
        receipt = read_receipt(folder)
        receipt.problem = _without_key(" ".join(text.split())[:300])
        write_receipt(folder, receipt)
        return UNSENT
    return SENT


def _without_key(text: str) -> str:
    key = comet_client.api_key()
    return text.replace(key, "***") if key else text


if __name__ == "__main__":
    os._exit(main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])))  # type: ignore[arg-type]
