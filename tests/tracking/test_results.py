import json
from pathlib import Path

from steelexp.tracking.results import results
from tests.tracked_run import described

JUDGEMENT = {
    "schema_version": 1,
    "part": "test",
    "classes": ["1"],
    "pr": {
        "1": {"threshold": [0.1, 0.5, 0.9], "precision": [0.5, 0.8, None], "recall": [0.9, 0.4, 0]},
        "2": {"threshold": [0.5], "precision": [None], "recall": [None]},
    },
    "confusion": {"labels": ["none", "1"], "pixels": [[90, 2], [3, 5]]},
}


def test_a_stopped_run_says_so_and_no_more(folder: Path) -> None:
    assert list(results(described(folder), {})) == [("others", {"status": "stopped"})]


def test_results_of_a_finished_run(folder: Path) -> None:
    run = described(folder)
    assert run.weights is not None
    run.weights.write_bytes(b"w")
    (folder / "evaluation.json").write_text(json.dumps(JUDGEMENT))
    metrics = {"val_loss": 0.5, "val_dice/2": 0.2, "val_dice/1": 0.1, "val_dice": 0.15}
    best, table, curve, confusion, model, status = results(run, metrics)
    assert best == ("others", {f"best/{name}": value for name, value in metrics.items()})
    assert table[1] == {
        "name": "classes.csv",
        "headers": ["class", "val_loss", "val_dice"],
        "rows": [["1", "", 0.1], ["2", "", 0.2], ["all", 0.5, 0.15]],
    }
    assert curve == (
        "curve",
        {"name": "precision and recall/1", "x": (0.9, 0.4), "y": (0.5, 0.8)},
    )
    assert confusion[1]["matrix"] == [[90, 2], [3, 5]]
    assert confusion[1]["labels"] == ["none", "1"]
    assert confusion[1]["title"] == "Pixels of the test images"
    assert (model[0], model[1]["name"], model[1]["path"]) == ("model", "b4-dice", "weights/best.h5")
    assert status == ("others", {"status": "finished"})
