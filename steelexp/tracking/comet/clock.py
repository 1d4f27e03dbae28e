"""The clock of comet_ml's messages, so that what is sent late carries the time of its event.

Of what its client sends, metrics, parameters and lines of the console carry a time, and so do the
begin and the end of an experiment. Everything else (other values, files, tags, git, packages) has
none in the client's requests; files get the time of their event in their metadata.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_MOMENT: ContextVar[float | None] = ContextVar("moment", default=None)


def install() -> None:
    """Let comet_ml ask this clock from now on, for its messages and for the end of an archive."""
    from comet_ml import messages, offline

    messages.local_timestamp = timestamp  # type: ignore[attr-defined]  # a name it imports
    offline.local_timestamp = timestamp  # type: ignore[attr-defined]


@contextmanager
def at(seconds: float) -> Iterator[None]:
    """Stop the clock of this thread at a time.

    Args:
        seconds: Seconds since 1970.
    """
    token = _MOMENT.set(seconds)
    try:
        yield
    finally:
        _MOMENT.reset(token)


def timestamp() -> int:
    """Milliseconds since 1970."""
    moment = _MOMENT.get()
    return round(1000 * (time.time() if moment is None else moment))
