from pathlib import Path

import pytest

from steelexp.records.store import Epoch
from steelexp.tracked_run import epoch_costs, folder_of_runs


def test_costs_of_an_epoch_by_hand() -> None:
    """64 tiles in 16 s of training; 20 s with validation, after an epoch of 30 s."""
    usage = {"training_seconds": 16.0, "peak_memory_gib": 1.5}
    epochs = [Epoch(1, 8, 30.0, {}), Epoch(2, 16, 20.0, {}, usage)]
    assert epoch_costs(epochs, tiles=64) == {
        "epoch_seconds": 20.0,
        "total_seconds": 50.0,
        "tiles_per_second": 4.0,
        "peak_memory_gib": 1.5,
    }
    assert epoch_costs(epochs[:1], tiles=64) == {"epoch_seconds": 30.0, "total_seconds": 30.0}


@pytest.mark.parametrize(
    ("run", "name", "around"),
    [
        ("runs/b4/3f9c", "b4", "runs"),
        ("runs/quick/search/trials/0003/3f9c", "quick-0003", "runs"),
        ("runs/quick/search/confirm/0003-seed-2/3f9c", "quick-0003-confirm", "runs"),
        ("elsewhere/3f9c", "b4", None),
        ("3f9c", "b4", None),
    ],
)
def test_the_runs_beside_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: str, name: str, around: str | None
) -> None:
    folder = tmp_path / run
    folder.mkdir(parents=True)
    (tmp_path / "runs" / "quick" / "search").mkdir(parents=True, exist_ok=True)
    (tmp_path / "runs" / "quick" / "search" / "trials.jsonl").touch()
    expected = None if around is None else tmp_path / around
    assert folder_of_runs(folder, name) == expected
    monkeypatch.chdir(folder.parent)
    assert folder_of_runs(Path(folder.name), name) == expected
