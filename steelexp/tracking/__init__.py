"""Tracking: a run mirrored to where a team looks at it."""

from steelexp.tracking.tracker import (
    Picture,
    TrackedData,
    TrackedModel,
    TrackedRun,
    TrackedTrial,
    Tracker,
)

__all__ = ["Picture", "TrackedData", "TrackedModel", "TrackedRun", "TrackedTrial", "Tracker"]
