"""What ends a sending process: the end of the run, and time limits that no hanging call escapes."""

import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

END = "end\n"
"""Last line on stdin. Stdin may stay open after it, if another process inherited the pipe."""

LATE_SECONDS = 2.0
"""Seconds after the deadline that a call in progress gets to return by itself."""


class StdinSignals:
    """Signals from the process that trains, one line each on stdin.

    The line END means that the journal is complete, any other line that it has grown. So does the
    end of stdin: the process that trained has ended.

    Args:
        grace_seconds: Seconds that sending may go on after END.
        on_late: Called from another thread if sending takes longer: `LATE_SECONDS` after the
            grace, or at a `time_limit`.

    Attributes:
        ended: Whether the journal is complete.
    """

    def __init__(self, grace_seconds: float, on_late: Callable[[], None]) -> None:
        self.ended = False
        self._grace_seconds = grace_seconds
        self._on_late = on_late
        self._deadline = math.inf
        self._changed = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def seconds_left(self) -> float:
        """Seconds that sending may still go on; infinite before END."""
        return self._deadline - time.monotonic()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the next line.

        Args:
            seconds: Longest time to wait; None for no limit.

        Returns:
            Whether there was one in time.
        """
        is_new = self._changed.wait(seconds)
        if is_new:
            self._changed.clear()
        return is_new

    @contextmanager
    def time_limit(self, seconds: float) -> Iterator[None]:
        """Call `on_late` from another thread if the block takes longer: a client may hang anywhere.

        Args:
            seconds: Longest time of the block.
        """
        timer = threading.Timer(seconds, self._on_late)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _listen(self) -> None:
        for line in sys.stdin:
            if line == END:
                break
            self._changed.set()
        self._deadline = time.monotonic() + self._grace_seconds
        self.ended = True
        self._changed.set()
        time.sleep(min(self._grace_seconds + LATE_SECONDS, 1e9))  # more is no time for sleep()
        self._on_late()
