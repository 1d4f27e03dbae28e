"""Tracking: a run mirrored to where a team looks at it."""

from steelexp.tracking.tracker import Picture, TrackedRun, TrackedTrial, Tracker

__all__ = ["Picture", "TrackedRun", "TrackedTrial", "Tracker"]
