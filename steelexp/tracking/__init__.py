"""Tracking: a run mirrored to where a team looks at it."""

from steelexp.tracking.tracker import Picture, TrackedModel, TrackedRun, TrackedTrial, Tracker

__all__ = ["Picture", "TrackedModel", "TrackedRun", "TrackedTrial", "Tracker"]
