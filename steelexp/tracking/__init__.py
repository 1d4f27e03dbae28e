"""Tracking: a run mirrored to where a team looks at it."""

from steelexp.tracking.tracker import TrackedRun, Tracker, TrackingError

__all__ = ["TrackedRun", "Tracker", "TrackingError"]
