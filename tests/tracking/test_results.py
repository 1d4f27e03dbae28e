import hashlib
import json
import math
from pathlib import Path

from steelexp.tracking import TrackedModel
from steelexp.tracking.journal import Event
from steelexp.tracking.results import final_metrics, results
from tests.tracked_run import described
from tests.tracking_events import epoch

JUDGEMENT = {
    "schema_version": 1,
    "part": "test",
    "classes": ["1"],
    "intervals": {"dice/1": [0.2, 0.5]},
    "post_intervals": {"dice/1": [0.25, 0.75]},
    "pr": {
        "1": {"threshold": [0.1, 0.5, 0.9], "precision": [0.5, 0.8, None], "recall": [0.9, 0.4, 0]},
        "2": {"threshold": [0.5], "precision": [None], "recall": [None]},
    },
    "calibration": {"1": {"score": [0.1, 0.9], "share": [0.2, None], "pixels": [100, 99]}},
    "confusion": {"labels": ["none", "1"], "pixels": [[90, 2], [3, 5]]},
}


EPOCHS = [Event(n, "epoch", 0.0, epoch(n)[1]) for n in (1, 2)]


def test_a_stopped_run_says_so_and_no_more(folder: Path) -> None:
    news = list(results(described(folder), {}, [], status="stopped"))
    assert news == [("others", {"status": "stopped"})]


def test_results_of_a_finished_run(folder: Path) -> None:
    run = described(folder)
    path = folder / "registered" / "model.zip"
    path.parent.mkdir()
    path.write_bytes(b"w")
    (folder / "evaluation.json").write_text(json.dumps(JUDGEMENT))
    metrics = {
        "val_loss": 0.5,
        "test_dice": 0.25,
        "val_dice/2": 0.2,
        "val_dice/1": 0.1,
        "val_dice": 0.15,
    }
    best, table, curve, calibration, pixels, confusion, model, status = results(
        run,
        metrics,
        EPOCHS,
        status="finished",
        model=TrackedModel(path, "b4", {"run": "3f9c1a7e"}),
        model_status="Development",
    )
    assert best[1]["metrics"] == {f"best/{name}": value for name, value in metrics.items()} | {
        "lower/test_dice/1": 0.2,
        "upper/test_dice/1": 0.5,
        "lower/test_post_dice/1": 0.25,
        "upper/test_post_dice/1": 0.75,
    }
    assert best[0] == "final"
    assert (best[1]["group"], best[1]["epoch"], best[1]["step"]) == ("best", 2, 100)
    assert table[1] == {
        "name": "classes.csv",
        "headers": ["run", "class", "test_dice", "val_loss", "val_dice"],
        "rows": [
            ["b4_dice", "1", "", "", 0.1],
            ["b4_dice", "2", "", "", 0.2],
            ["b4_dice", "all", 0.25, 0.5, 0.15],
        ],
    }
    assert curve == (
        "curve",
        {"name": "precision and recall/1", "x": (0.9, 0.4), "y": (0.5, 0.8)},
    )
    assert calibration == ("curve", {"name": "calibration/1", "x": (0.1,), "y": (0.2,)})
    assert pixels[1] == {
        "name": "confusion.csv",
        "headers": ["run", "truth", "none", "1"],
        "rows": [["b4_dice", "none", 90, 2], ["b4_dice", "1", 3, 5]],
    }
    assert confusion[1]["matrix"] == [[90, 2], [3, 5]]
    assert confusion[1]["labels"] == ["none", "1"]
    assert confusion[1]["title"] == "Pixels of the test images"
    assert model == (
        "model",
        {
            "name": "b4-dice",
            "comment": "b4",
            "tags": ["focal", "severstal"],
            "status": "Development",
            "metadata": {"run": "3f9c1a7e"},
            "path": "registered/model.zip",
            "sha256": hashlib.sha256(b"w").hexdigest(),
        },
    )
    assert status == ("others", {"status": "finished"})


def test_another_evaluation_is_told_once_and_has_its_own_intervals(folder: Path) -> None:
    (folder / "evaluation.json").write_text(json.dumps(JUDGEMENT))
    first = list(final_metrics(folder, "sliding", {"test_dice": math.nan}, EPOCHS))
    assert [content["step"] for _, content in first] == [100]
    names = first[0][1]["metrics"].keys()
    assert {"sliding/test_dice", "lower/sliding/test_dice/1"} <= names
    events = [*EPOCHS, Event(3, "final", 0.0, first[0][1])]
    assert list(final_metrics(folder, "sliding", {"test_dice": math.nan}, events)) == []
    (second,) = final_metrics(folder, "sliding", {"test_dice": 0.5}, events)
    assert second[1]["step"] == 101  # a service keeps one value of a name and a step
    assert len(list(final_metrics(folder, "best", {"test_dice": 0.5}, events))) == 1
