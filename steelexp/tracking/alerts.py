"""Alerts of a run: messages to a person, each sent at most once.

Every other event may be sent again after a kill, because the server can be asked for it. A message
cannot be taken back, and no server lists it. So the sending process first writes to `alerts.jsonl`
that it begins, and only then sends. After a kill in between, the alert is never sent.

The run notes `finished`, `diverged` and `best` in its journal. `stalled` is noticed by the sending
process, which lives beside the run.
"""

import math
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import TypeAdapter

from steelexp.metric_names import full_name
from steelexp.metrics import PRIMARY
from steelexp.records.jsonl import JsonLines
from steelexp.records.store import RunFolder
from steelexp.terminal import visible
from steelexp.tracking.journal import Event

Alert = Literal["diverged", "stalled", "finished", "best"]
ALERTS: tuple[Alert, ...] = get_args(Alert)

FILE = "alerts.jsonl"

LATEST_SECONDS = 3600.0
"""Age beyond which an alert is not sent: `sync` of an old run alarms nobody."""

STALL_EPOCHS = 10
"""A run stalls if it has no epoch for so many times its median epoch."""

STALL_SECONDS = 600.0
"""A run stalls after this time at the earliest: its first epochs and a busy disk take longer."""

SENTENCES: Mapping[Alert, str] = {
    "diverged": "the loss or a weight is no longer a finite number",
    "stalled": f"no epoch for {STALL_EPOCHS} times the median epoch",
    "finished": "trained and evaluated",
    "best": "better than every finished run on the same images",
}


@dataclass(frozen=True)
class Decision:
    """What became of an alert.

    Attributes:
        alert: Name of the alert.
        time: Seconds since 1970.
        sent: Whether sending began.
        reason: Why it was not sent; empty where it was.
    """

    alert: Alert
    time: float
    sent: bool
    reason: str


class Decisions:
    """The decisions about a run's alerts, on disk; the process that sends the run writes them.

    Args:
        folder: Run folder.
    """

    def __init__(self, folder: Path) -> None:
        self._lines = JsonLines(
            folder / FILE,
            parse=TypeAdapter(Decision).validate_python,
            noun="a decision about an alert",
            fix="remove it; alerts that were sent may then be sent again",
            identity=RunFolder(folder).digest,
        )

    def take(self, alert: Alert, noticed: float) -> bool:
        """Decide about an alert, once and for all; the decision is on disk when this returns.

        Args:
            alert: Name of the alert.
            noticed: Seconds since 1970 at which it was noted.

        Returns:
            Whether to send it now; False after any earlier decision.

        Raises:
            DamageError: The decisions cannot be read, so nothing may be sent.
            OSError: The decision cannot be written, so nothing may be sent.
        """
        if any(each.alert == alert for each in self._lines.entries()):
            return False
        age = time.time() - noticed
        reason = f"{age / 3600:.1f} h old" if age > LATEST_SECONDS else ""
        self._lines.append(asdict(Decision(alert, time.time(), not reason, reason)))
        return not reason


def alert_content(alert: Alert, name: str, values: Mapping[str, float]) -> dict[str, Any]:
    """Content of an alert's event.

    Args:
        alert: Name of the alert.
        name: Display name of the run.
        values: Numbers to tell, by name.
    """
    return {
        "name": alert,
        "title": visible(f"{name} {alert}: {SENTENCES[alert]}"),
        "values": {visible(k): float(v) for k, v in values.items() if math.isfinite(v)},
    }


def headline_values(metrics: Mapping[str, float]) -> dict[str, float]:
    """The few final metrics that a message tells, those of the test images first."""
    names = [full_name(PRIMARY, part) for part in ("test", "test_post", "val")]
    return {name: metrics[name] for name in names if name in metrics}


class StallWatch:
    """Notices that a run has had no epoch for long.

    Args:
        alerts: Alerts of the run.
    """

    def __init__(self, alerts: Sequence[str]) -> None:
        self._is_on = "stalled" in alerts
        self._times: list[float] = []
        self._is_training = True
        self._changed = time.monotonic()

    def see(self, event: Event) -> None:
        """Take an event of the journal."""
        if event.kind == "epoch":
            self._times.append(event.time)
            self._is_training = True
            self._changed = time.monotonic()
        elif event.kind == "others" and "status" in event.content:
            self._is_training = False  # it is evaluated, or has ended

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the run counts as stalled; None where it cannot be told."""
        limit = self.limit_seconds
        if not self._is_on or not self._is_training or limit is None:
            return None
        return max(0.0, limit - (time.monotonic() - self._changed))

    @property
    def limit_seconds(self) -> float | None:
        """Seconds without an epoch after which a run is stalled; None before three epochs."""
        gaps = [after - before for before, after in zip(self._times, self._times[1:], strict=False)]
        if len(gaps) < 2:
            return None
        return max(STALL_SECONDS, STALL_EPOCHS * statistics.median(gaps))

    def stop(self) -> None:
        """Watch no longer."""
        self._is_on = False
