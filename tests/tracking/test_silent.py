from pathlib import Path

from steelexp.tracking import TrackedRun
from steelexp.tracking.trackers import TRACKERS


def test_none_leaves_nothing(tmp_path: Path) -> None:
    tracker = TRACKERS["none"]()
    tracker.start(TrackedRun("x", "x", tmp_path, {}, (), {}, (), resumed=True))
    assert not tracker.wants_replay
    tracker.epoch(1, {"loss": 0.5}, 50)
    tracker.picture(tmp_path / "absent.png", name="strip 7", epoch=1, step=50)
    assert tracker.finish({"loss": 0.5}) == "Tracking: off."
    assert list(tmp_path.iterdir()) == []
