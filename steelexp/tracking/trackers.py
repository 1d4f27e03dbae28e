"""The trackers a spec can name."""

from collections.abc import Callable

from steelexp.tracking.comet.tracker import comet
from steelexp.tracking.silent import none
from steelexp.tracking.tracker import Tracker

TRACKERS: dict[str, Callable[..., Tracker]] = {
    "comet": comet,
    "none": none,
}
