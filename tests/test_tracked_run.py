from steelexp.records.store import Epoch
from steelexp.tracked_run import epoch_costs


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
