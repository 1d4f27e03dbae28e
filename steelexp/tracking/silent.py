"""No tracking: an object that does nothing."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from steelexp.tracking.tracker import ModelFormat, Picture, TrackedModel, TrackedRun, Tracker

OFF = "Tracking: off."


class Silent:
    """A tracker that takes everything and keeps nothing."""

    model_format: ModelFormat = "none"
    wants_data = False

    def start(self, run: TrackedRun) -> None:
        """Do nothing."""

    def epoch(
        self, epoch: int, metrics: Mapping[str, float], step: int, pictures: Sequence[Picture] = ()
    ) -> None:
        """Do nothing."""

    def trained(self) -> None:
        """Do nothing."""

    def finish(
        self,
        metrics: Mapping[str, float],
        model: TrackedModel | None = None,
        *,
        diverged: bool = False,
    ) -> str:
        """Say that nothing was tracked."""
        return OFF

    def close(self, page: Path | None = None) -> str:
        """Say that nothing was tracked."""
        return OFF

    def evaluated(
        self, run: TrackedRun, name: str, metrics: Mapping[str, float], folder: Path
    ) -> str:
        """Say that nothing was tracked."""
        return OFF


def none() -> Tracker:
    """Track nothing.

    Returns:
        A tracker that does nothing.
    """
    return Silent()
