"""Sends a run's journal to its service, in a process of its own.

Run as `python -m steelexp.tracking.sending`.

How every event arrives once. A client cannot say which of the things it was given the server took.
An answer may get lost, a kill may come before the answer, and what the client tries again by itself
may be there already. So an event counts as acknowledged when the server lists it, and not before.

- Whoever begins to send asks the server first and leaves out what it holds. That covers kills at
  any moment, a lost sent.json, and an archive that somebody uploaded by hand.
- A process gives the client each event once. After a failure it sends nothing more and ends without
  clean-up (`os._exit`). Nothing that it still has in hand can arrive later. The next process asks
  again. For this the sender is a process and no thread. It also keeps all that a client does, and
  its hanging, out of the training.
- One process at a time sends a run: a lock, which the kernel lifts with the process.
- Events go in order, an epoch with its pictures at a time, the next after the acknowledgement.
- Parameters and the like merely overwrite. They are not asked for, and are sent again.

A server that lists what it took only after `SETTLING` seconds and a new process could be sent it
twice. Nothing shorter than an answer from the server can exclude that.
"""

import math
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from steelexp.errors import UserError
from steelexp.tracking.journal import Event, EventReader, read_events
from steelexp.tracking.receipt import read_receipt, write_receipt
from steelexp.tracking.service import Mode, RefusedError, Service
from steelexp.tracking.services import SERVICES

SETTLING = 10.0
"""Seconds within which the server lists what it took."""

PATIENCE = 30.0
"""Seconds to wait for another process that sends the same run."""

OK = 0
UNSENT = 1
BUSY = 3
"""Exit codes."""

END = "end\n"
"""The last line on stdin; its end alone would not do where another process inherited the pipe."""


class UnsentError(Exception):
    """The rest cannot be sent now; the message says why."""


class StdinSignals:
    """Lines on stdin: each means that the journal has grown; END means that it is complete.

    Args:
        linger: Seconds after the end in which sending may go on.
    """

    def __init__(self, linger: float) -> None:
        self.ended = False
        self._linger = linger
        self._until = math.inf
        self._changed = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def left(self) -> float:
        """Seconds in which sending may go on."""
        return self._until - time.monotonic()

    def wait(self) -> None:
        """Wait for a line or the end."""
        self._changed.wait()
        self._changed.clear()

    def _listen(self) -> None:
        for line in sys.stdin:
            if line == END:
                break
            self._changed.set()
        self._until = time.monotonic() + self._linger
        self.ended = True
        self._changed.set()


class Sender:
    """Sends the journal of one run to its live experiment.

    Args:
        folder: Run folder.
        service: Service that the journal names.
    """

    def __init__(self, folder: Path, service: Service) -> None:
        self._folder = folder
        self._receipt = read_receipt(folder)
        self._reader = EventReader(folder)
        self._pending = self._reader.read_new()
        self._connection = service.connect(self._pending[0], folder)
        self._receipt.url = self._connection.url
        self._receipt.problem = None
        write_receipt(folder, self._receipt)
        self._asked = False

    def send_pending(self, signals: StdinSignals) -> None:
        """Send what the journal has by now.

        Raises:
            UnsentError: An event is not acknowledged, or there is no more time.
        """
        self._pending += self._reader.read_new()
        pending = [each for each in self._pending if each.number > self._receipt.acknowledged]
        self._pending = []
        for events in by_epoch(pending):
            if signals.left < 0:
                raise UnsentError("out of time")
            self._send(events, signals.left)
            self._receipt.acknowledged = events[-1].number
            write_receipt(self._folder, self._receipt)

    def close(self) -> None:
        """Tell the server that the experiment is over."""
        self._connection.close()

    def _send(self, events: Sequence[Event], seconds: float) -> None:
        connection = self._connection
        connection.forget_error()  # an earlier error was about none of these events
        if not self._asked or any(event.kind == "model" for event in events):
            connection.refresh(events)
            self._asked = True
        logged = [event for event in events if not connection.holds(event) and self._log(event)]
        if logged and not connection.flush(logged, seconds=seconds):
            raise UnsentError(connection.error or "the server did not take all of it in time")
        self._await_listing(events, [event for event in logged if connection.lists(event)])
        if connection.error:
            raise UnsentError(connection.error)

    def _await_listing(self, events: Sequence[Event], logged: Sequence[Event]) -> None:
        """Ask until the server lists the events.

        Raises:
            UnsentError: It does not within SETTLING seconds.
        """
        connection = self._connection
        deadline = time.monotonic() + SETTLING
        while not all(map(connection.holds, logged)):
            if connection.error or time.monotonic() > deadline:
                raise UnsentError(connection.error or "the server does not list all that it took")
            time.sleep(0.2)
            connection.refresh(events)

    def _log(self, event: Event) -> bool:
        """Hand an event to the client; False where it can never be sent."""
        try:
            self._connection.log(event)
        except RefusedError as error:
            self._receipt.refused[event.number] = str(error)
            self._connection.forget_error()  # the error was about this event
            return False
        return True


def by_epoch(events: Sequence[Event]) -> Iterator[list[Event]]:
    """What is sent together: an epoch with its pictures, or what lies before or after them all."""

    def epoch(event: Event) -> int | None:
        number = event.content.get("epoch")
        return None if number is None else int(number)

    for _, together in groupby(events, epoch):
        yield list(together)


def write_archive(folder: Path, service: Service) -> None:
    """Write the whole journal as an archive, unless part of it was sent already."""
    receipt = read_receipt(folder)
    if receipt.acknowledged:
        return
    archive = service.write_archive(read_events(folder), folder)
    receipt.archive = archive.path
    receipt.upload = archive.upload
    receipt.refused |= archive.refused
    write_receipt(folder, receipt)


def send(folder: Path, mode: Mode, signals: StdinSignals, service: Service) -> None:
    """Send what the journal has, and what it gets, until the signals end.

    Raises:
        UnsentError: The rest cannot be sent now.
    """
    if offline := service.offline_reason(mode):
        while not signals.ended:
            signals.wait()
        write_archive(folder, service)
        raise UnsentError(offline)
    sender = Sender(folder, service)
    while True:
        is_complete = signals.ended
        sender.send_pending(signals)
        if is_complete:
            break
        signals.wait()
    sender.close()


def main(folder: Path, mode: Mode, linger: float) -> int:
    """Send under the run's lock; what prevents it goes into the receipt."""
    from filelock import FileLock, Timeout  # imports asyncio, which --help need not

    lock = FileLock(folder / ".sending")
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        return BUSY
    problem = _problem(folder, mode, StdinSignals(linger))
    if problem is None:
        return OK
    receipt = read_receipt(folder)
    receipt.problem = " ".join(problem.split())[:300]
    write_receipt(folder, receipt)
    return UNSENT


def _problem(folder: Path, mode: Mode, signals: StdinSignals) -> str | None:
    """Send; the reason why not all could be sent, None without one."""
    try:
        service = SERVICES[read_events(folder)[0].content["service"]]()
    except (UserError, IndexError, KeyError) as error:
        return f"the journal cannot be sent: {error}"
    try:
        send(folder, mode, signals, service)
    except Exception as error:
        return service.explain(error)
    return None


if __name__ == "__main__":
    os._exit(main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])))  # type: ignore[arg-type]
