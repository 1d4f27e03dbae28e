"""The tracking services by name; a journal's first event names its own."""

from collections.abc import Callable, Sequence
from pathlib import Path

from steelexp.errors import UserError
from steelexp.tracking.comet.service import CometService
from steelexp.tracking.journal import NAME as JOURNAL
from steelexp.tracking.journal import Event
from steelexp.tracking.service import Service

SERVICES: dict[str, Callable[[], Service]] = {"comet": CometService}


def service_of(events: Sequence[Event], folder: Path) -> Service:
    """The service of a journal.

    Args:
        events: Events of the journal.
        folder: Run folder, for messages.

    Raises:
        UserError: The journal is empty, or names another service.
    """
    if not events:
        raise UserError(f"{folder / JOURNAL}: holds no event; run the experiment again to go on")
    name = events[0].content["service"]
    if name not in SERVICES:
        raise UserError(f"{folder / JOURNAL}:1: service {name!r} is none of {', '.join(SERVICES)}")
    return SERVICES[name]()
