"""Sends the journal of a run to its tracking service, in a process of its own.

Run as `python -m steelexp.tracking.sending`.

Every event shall reach the server once. The client of a service cannot tell which events arrived:
an answer may get lost, the process may be killed before the answer, and the client retries by
itself. So an event counts as acknowledged only when the server lists it.

- A new process first asks the server which events it has, and skips them. That covers a kill at any
  moment, a lost sent.json, and an archive that was uploaded by hand.
- A process hands each event to the client once. After a failure it sends nothing more and ends
  without clean-up (`os._exit`), so that the client cannot deliver anything later. A thread could
  not be ended like that. A client that hangs does not hold up training either.
- One process at a time sends a run. It holds a file lock, which the kernel releases when the
  process ends.
- Events are sent in order and in batches: an epoch with its pictures is one batch. The next batch
  waits until the server lists this one.
- Events that the server overwrites, such as parameters, may arrive twice. The server is not asked
  for them.
- Alerts are sent at most once (`alerts`). One that fails is over, and holds up nothing else.

One gap remains. If the server needs more than `LISTING_SECONDS` to list an event, the next process
may send the event again. Only an acknowledgement by the server could exclude that.
"""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NoReturn

from steelexp.errors import UserError, reason
from steelexp.file_lock import LockedError, file_lock
from steelexp.terminal import visible
from steelexp.tracking.alerts import Decisions, StallWatch, alert_content
from steelexp.tracking.journal import Event, EventReader, file_size, read_events
from steelexp.tracking.receipt import read_progress, read_receipt, write_receipt
from steelexp.tracking.service import Mode, RefusedError, Service
from steelexp.tracking.services import service_of
from steelexp.tracking.signals import StdinSignals

LISTING_SECONDS = 10.0
"""Seconds to wait until the server lists an event that it received."""

LOCK_SECONDS = 30.0
"""Seconds to wait for another process that sends the same run."""

STEP_SECONDS = 90.0
"""Seconds after which a process gives up that waits for one answer: to its start, or to an epoch.

A server that sends a byte a second would hold it for ever.
"""

SLOWEST_BYTES_PER_SECOND = 100_000
"""Files are given this much more time."""

OK = 0
"""Exit code: everything is sent."""

UNSENT = 1
"""Exit code: not everything is sent; the receipt has the reason."""

BUSY = 3
"""Exit code: another process is sending the run."""

LATE = "it took too long"


class UnsentError(Exception):
    """The remaining events cannot be sent now; the message says why."""


class Sender:
    """Sends the journal of one run to its experiment at the server.

    Args:
        folder: Run folder.
        service: Tracking service of the run.
        signals: Signals of the process that trains.
    """

    def __init__(self, folder: Path, service: Service, signals: StdinSignals) -> None:
        self._folder = folder
        self._signals = signals
        self._reader = EventReader(folder)
        self._pending = self._reader.read_new()
        self._run = self._pending[0].content
        self._decisions = Decisions(folder)
        self._watch = StallWatch(self._run.get("alerts", ()))
        _, self._receipt = read_progress(folder)
        with signals.time_limit(STEP_SECONDS):
            self._connection = service.connect(self._pending[0], folder)
        self._receipt.url = visible(self._connection.url)
        self._receipt.problem = None
        done = self._receipt.acknowledged  # what an archive left out may come now
        refused = self._receipt.refused.items()
        self._receipt.refused = {number: why for number, why in refused if number <= done}
        write_receipt(folder, self._receipt)
        self._has_asked = False

    def send_pending(self) -> None:
        """Send the events of the journal that are not acknowledged yet.

        Raises:
            UnsentError: The server does not list an event, or no time is left.
        """
        self._pending += self._reader.read_new()
        for event in self._pending:
            self._watch.see(event)
        pending = [event for event in self._pending if event.number > self._receipt.acknowledged]
        self._pending = []
        for batch in by_epoch(pending):
            if self._signals.seconds_left < 0:
                raise UnsentError("no time was left")
            size = sum(file_size(event, self._folder) for event in batch)
            with self._signals.time_limit(STEP_SECONDS + size / SLOWEST_BYTES_PER_SECOND):
                if batch[0].kind == "alert":
                    self._send_alerts(batch)
                else:
                    self._send(batch)
            self._receipt.acknowledged = batch[-1].number
            write_receipt(self._folder, self._receipt)

    def wait(self) -> None:
        """Wait for new events; send the alert if there has been no epoch for too long."""
        if self._signals.wait(self._watch.seconds_left):
            return
        limit = self._watch.limit_seconds or 0.0
        self._watch.stop()
        content = alert_content("stalled", self._run["name"], {"seconds without an epoch": limit})
        with self._signals.time_limit(STEP_SECONDS):
            self._send_alerts([Event(0, "alert", time.time(), content)])

    def close(self) -> None:
        """Tell the server that the experiment is over."""
        with self._signals.time_limit(STEP_SECONDS):
            self._connection.close()

    def _send(self, events: Sequence[Event]) -> None:
        connection = self._connection
        connection.forget_error()  # an earlier error is not about these events
        if not self._has_asked or any(event.kind == "model" for event in events):
            connection.refresh(events)
            self._has_asked = True
        new = [event for event in events if not connection.holds(event) and self._log(event)]
        if new and not connection.flush(new, seconds=self._signals.seconds_left):
            raise UnsentError(connection.error or "the server did not take all of it in time")
        self._await_listing(events, [event for event in new if connection.can_list(event)])
        if connection.error:
            raise UnsentError(connection.error)

    def _send_alerts(self, alerts: Sequence[Event]) -> None:
        """Send alerts that no process has begun to send, once the events before them are there."""
        for alert in alerts:
            try:
                is_due = self._decisions.take(alert.content["name"], alert.time)
            except (UserError, OSError) as error:
                self._receipt.refused[alert.number] = f"alert not sent: {reason(error)}"
                continue
            if is_due:
                self._log(alert)
        self._connection.forget_error()

    def _await_listing(self, batch: Sequence[Event], new: Sequence[Event]) -> None:
        """Ask the server until it lists the new events of a batch.

        Raises:
            UnsentError: The server does not list them within LISTING_SECONDS.
        """
        connection = self._connection
        deadline = time.monotonic() + LISTING_SECONDS
        while not all(map(connection.holds, new)):
            if connection.error or time.monotonic() > deadline:
                raise UnsentError(connection.error or "the server does not list all that it took")
            time.sleep(0.2)
            connection.refresh(batch)

    def _log(self, event: Event) -> bool:
        """Hand an event to the client; False if the event can never be sent."""
        try:
            self._connection.log(event)
        except RefusedError as error:
            self._receipt.refused[event.number] = str(error)
            self._connection.forget_error()  # the error was about this event
            return False
        return True


def by_epoch(events: Sequence[Event]) -> Iterator[list[Event]]:
    """Batches to send: the events of one epoch, consecutive events of no epoch, or alerts."""

    def group(event: Event) -> tuple[bool, int | None]:
        number = event.content.get("epoch")
        return event.kind == "alert", None if number is None else int(number)

    for _, batch in groupby(events, group):
        yield list(batch)


def write_archive(folder: Path, service: Service) -> None:
    """Write the whole journal as an archive, unless part of it was sent already."""
    events, receipt = read_progress(folder)
    if receipt.acknowledged:
        return
    archive = service.write_archive(events, folder)
    receipt.archive = archive.path
    receipt.upload = archive.upload
    receipt.refused |= archive.refused
    write_receipt(folder, receipt)


def send(folder: Path, mode: Mode, signals: StdinSignals, service: Service) -> None:
    """Send the events of the journal, and new ones as they come, until the journal is complete.

    Raises:
        UnsentError: The remaining events cannot be sent now.
    """
    if offline := service.offline_reason(mode):
        while not signals.ended:
            signals.wait()
        write_archive(folder, service)
        raise UnsentError(offline)
    sender = Sender(folder, service, signals)
    while True:
        is_complete = signals.ended
        sender.send_pending()
        if is_complete:
            break
        sender.wait()
    sender.close()


def main(folder: Path, mode: Mode, grace_seconds: float) -> NoReturn:
    """Send a run under its lock and end this process; the receipt gets the reason if that fails.

    Args:
        folder: Run folder.
        mode: Whether events are sent, or written to an archive.
        grace_seconds: Seconds that sending may go on after the journal is complete.
    """
    try:
        with file_lock(folder / ".sending", wait=LOCK_SECONDS):
            # Ends under the lock: the client's threads must not outlive it.
            os._exit(_exit_code(folder, mode, grace_seconds))
    except LockedError:
        os._exit(BUSY)
    except Exception as error:
        _note_problem(folder, reason(error))
    finally:
        os._exit(UNSENT)


def _exit_code(folder: Path, mode: Mode, grace_seconds: float) -> int:
    def give_up() -> None:
        try:
            _note_problem(folder, LATE)
        finally:
            os._exit(UNSENT)

    problem = _try_to_send(folder, mode, StdinSignals(grace_seconds, give_up))
    if problem is None:
        return OK
    _note_problem(folder, problem)
    return UNSENT


def _note_problem(folder: Path, problem: str) -> None:
    receipt = read_receipt(folder)
    receipt.problem = visible(" ".join(problem.split())[:300])
    write_receipt(folder, receipt)


def _try_to_send(folder: Path, mode: Mode, signals: StdinSignals) -> str | None:
    """Send a run; return the reason if not everything could be sent, else None."""
    try:
        service = service_of(read_events(folder), folder)
    except UserError as error:
        return str(error)
    try:
        send(folder, mode, signals, service)
    except Exception as error:
        return service.explain(error)
    return None


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]))  # type: ignore[arg-type]
