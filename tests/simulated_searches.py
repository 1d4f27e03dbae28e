"""Searches whose truth is known: search.json as a search leaves it, of a function of the values."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from steelexp.records.document import write_document
from steelexp.records.search_file import SCHEMA_VERSION

SPACE: Mapping[str, Mapping[str, Any]] = {
    "optimizer.learning_rate": {"log_uniform": [1.0e-4, 1.0e-2]},
    "loss.name": {"choice": ["dice", "bce_dice", "focal"]},
    "loss.gamma": {"float": [0.5, 4.0], "when": {"loss.name": ["focal"]}},
    "training.batch_size": {"int": [4, 16], "step": 4},
}
Values = Mapping[str, Any]
Score = Callable[[Values], float]


def learning_rate_first(values: Values) -> float:
    """Best at 1e-3, 0.4 less at both ends; focal loses 0.1; nothing else matters."""
    distance = math.log10(values["optimizer.learning_rate"]) + 3.0
    return 0.8 - 0.4 * distance**2 - 0.1 * (values["loss.name"] == "focal")


def draw_values(
    space: Mapping[str, Mapping[str, Any]], random: np.random.Generator
) -> dict[str, Any]:
    """A random point of a space; inactive settings are absent."""
    values: dict[str, Any] = {}
    for path, entry in space.items():
        when = entry.get("when", {})
        if any(values.get(parent) not in allowed for parent, allowed in when.items()):
            continue
        if "choice" in entry:
            values[path] = entry["choice"][int(random.integers(len(entry["choice"])))]
        elif "int" in entry:
            low, high = entry["int"]
            values[path] = int(random.choice(np.arange(low, high + 1, entry.get("step", 1))))
        elif "float" in entry:
            values[path] = float(random.uniform(*entry["float"]))
        else:
            values[path] = float(np.exp(random.uniform(*np.log(entry["log_uniform"]))))
    return values


def trial(number: int, values: Values, score: float | None, **changes: Any) -> dict[str, Any]:
    """A finished trial of five epochs, or a failed one where there is no score."""
    return {
        "id": f"{number:04d}",
        "values": dict(values),
        "status": "failed" if score is None else "finished",
        "score": score,
        "reason": "out of memory" if score is None else None,
        "best_epoch": None if score is None else 4,
        "epochs": 5,
        "trained": 5,
        "seconds": 100.0,
        "folder": f"trials/{number:04d}/ab12cd34",
        "continues": None,
        **changes,
    }


def search(trials: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    """A finished search of these trials."""
    direction = changes.get("direction", "max")
    scored = [each for each in trials if each["status"] == "finished"]
    pick = max if direction == "max" else min
    best = pick(scored, key=lambda each: each["score"])["id"] if scored else None
    return {
        "schema_version": SCHEMA_VERSION,
        "journal": "",
        "name": "quick_search",
        "objective": "val_dice_positive",
        "direction": direction,
        "tuner": {"name": "random"},
        "space": {path: dict(entry) for path, entry in SPACE.items()},
        "budget": {"trials": len(trials), "epochs": None, "hours": None},
        "seed": 0,
        "status": "finished",
        "end_reason": f"search.trials: {len(trials)} trials",
        "best": best,
        "objectives": {"val_dice_positive": "mean Dice"},
        "pareto": None,
        "confirmation": None,
        "trials": trials,
        **changes,
    }


def random_search(
    count: int,
    score: Score = learning_rate_first,
    *,
    space: Mapping[str, Mapping[str, Any]] = SPACE,
    noise: float = 0.02,
    failing: float = 0.0,
    seed: int = 0,
    **changes: Any,
) -> dict[str, Any]:
    """Random points, their scores with the luck of a seed, some failed; times that vary."""
    random = np.random.default_rng(seed)
    trials = []
    for number in range(count):
        values = draw_values(space, random)
        value = score(values) + float(random.normal(0.0, noise))
        epochs = int(random.integers(5, 31))
        trials.append(
            trial(
                number,
                values,
                None if random.random() < failing else value,
                epochs=epochs,
                trained=epochs,
                seconds=epochs * float(random.uniform(18.0, 25.0)),
            )
        )
    return search(
        trials, **{"space": {path: dict(entry) for path, entry in space.items()}} | changes
    )


def hyperband_search(
    count: int = 27, score: Score = learning_rate_first, *, seed: int = 0
) -> dict[str, Any]:
    """One bracket: the best third of each rung goes on, for three times the epochs."""
    random = np.random.default_rng(seed)
    trials: list[dict[str, Any]] = []
    rung = [(draw_values(SPACE, random), None) for _ in range(count)]
    before, epochs = 0, 3
    while rung:
        new = []
        for values, continues in rung:
            value = score(values) - 0.5 / epochs + float(random.normal(0.0, 0.01))
            trained = epochs - before
            new.append(
                trial(
                    len(trials) + len(new),
                    values,
                    value,
                    epochs=epochs,
                    trained=trained,
                    seconds=20.0 * trained,
                    continues=continues,
                )
            )
        trials += new
        new.sort(key=lambda each: -each["score"])
        rung = [(each["values"], each["id"]) for each in new[: len(new) // 3]]
        before, epochs = epochs, 3 * epochs
    return search(trials, tuner={"name": "hyperband", "factor": 3})


def write_search(folder: Path, content: Mapping[str, Any]) -> Path:
    """Write search.json into a folder and give the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_document(folder / "search.json", content)
    return folder


_FOCAL = {"optimizer.learning_rate": 0.00123456, "loss.name": "focal", "loss.gamma": 2.0}
THREE_TRIALS: Mapping[str, Any] = {
    "schema_version": SCHEMA_VERSION,
    "journal": "",
    "name": "b4",
    "objective": "val_dice_positive",
    "direction": "max",
    "tuner": {"name": "random"},
    "space": SPACE,
    "budget": {"trials": 4, "epochs": None, "hours": None},
    "seed": 0,
    "status": "running",
    "end_reason": None,
    "best": "0001",
    "objectives": {"val_dice_positive": "mean Dice"},
    "pareto": None,
    "confirmation": None,
    "trials": [
        trial(0, {"loss.name": "dice", "training.batch_size": 4}, 0.25),
        trial(1, _FOCAL, 0.5),
        trial(2, {"loss.name": "dice"}, None),
    ],
}
