from pathlib import Path

from steelexp.tracking import TrackedRun
from steelexp.tracking.tracker import Picture
from steelexp.tracking.trackers import TRACKERS


def test_none_leaves_nothing(folder: Path) -> None:
    tracker = TRACKERS["none"]()
    tracker.start(TrackedRun("x", "x", folder, {}, (), {}, (), model="x"))
    tracker.epoch(1, {"loss": 0.5}, 50, [Picture("image 7", folder / "absent.png")])
    assert tracker.finish({"loss": 0.5}) == tracker.close() == "Tracking: off."
    assert list(folder.iterdir()) == []
