"""The tracking services by name; a journal's first event names its own."""

from collections.abc import Callable

from steelexp.tracking.comet.service import CometService
from steelexp.tracking.service import Service

SERVICES: dict[str, Callable[[], Service]] = {"comet": CometService}
