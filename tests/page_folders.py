"""Folders with all that a page may hold, made in seconds and without training."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from steelexp.records.store import Epoch, RunFolder
from tests.finished_runs import change_record, finished, reseal, unfinished
from tests.simulated_runs import CLASSES, Study, write_study
from tests.simulated_searches import SPACE, search, trial, write_search

HOSTILE = "<img src=x onerror=window.hacked=1>"
STRATEGIES = ("dice", "focal", "dice_weights", *(f"dice_{n}" for n in range(7)))
EPOCHS = 12


def thirty_runs(root: Path) -> Path:
    """Ten strategies, three seeds; epochs, overlays and evaluation reports for each run."""
    study = Study({name: 0.02 * n for n, name in enumerate(STRATEGIES)}, groups=20)
    pictures = [_noise(root, n) for n in range(4)]
    for path in write_study(root / "runs", study):
        folder = RunFolder(path)
        epochs(folder)
        write_report(path)
        reseal(path)
        for epoch in range(1, EPOCHS + 1):
            for n, picture in enumerate(pictures):
                link = folder.overlay(epoch, f"image_{n}.jpg")
                link.parent.mkdir(parents=True, exist_ok=True)
                link.hardlink_to(picture)
    return root / "runs"


def all_sorts(root: Path) -> Path:
    """Two strategies, a run with hostile names, an unfinished one, damaged ones, a search."""
    write_study(root, Study(seeds=2, groups=20))
    hostile = finished(root / HOSTILE / "0", name="hostile", metrics=_hostile_metrics())
    spec = hostile.path / "spec.yaml"
    spec.write_text(spec.read_text().replace("question: ''", f'question: "{HOSTILE}"'))
    reseal(hostile.path)
    unnamed = finished(root / "unnamed" / "0", name="unnamed")
    spec = unnamed.path / "spec.yaml"
    spec.write_text(spec.read_text().replace("name: unnamed", f'name: "{HOSTILE}"'))
    reseal(unnamed.path)
    change_record(unnamed.path, name=HOSTILE)
    going = unfinished(root / "going" / "0", name="going")
    epochs(going, 1)
    broken = finished(root / "broken" / "0", name="broken")
    broken.write("record.json", "{")
    quick_search(root / "quick" / "search")
    return root


def quick_search(folder: Path) -> Path:
    """Three trials, one failed; the best has a run folder, of the others it is gone."""
    given = [
        trial(0, {"optimizer.learning_rate": 1e-3, "loss.name": "dice"}, 0.5),
        trial(1, {"optimizer.learning_rate": 3e-3, "loss.name": "focal", "loss.gamma": 2.0}, 0.75),
        trial(2, {"optimizer.learning_rate": 1e-2, "loss.name": "dice"}, None),
    ]
    run = finished(folder / given[1]["folder"], name="quick-0001")
    epochs(run)
    reseal(run.path)
    content = search(given, space={path: dict(entry) for path, entry in SPACE.items()})
    return write_search(folder, content)


def epochs(folder: RunFolder, count: int = EPOCHS) -> None:
    """Scores that rise to the classes' number over ten."""
    for epoch in range(1, count + 1):
        of_class = {
            f"val_dice_positive/{label}": 0.2 * n * epoch / count for n, label in enumerate(CLASSES)
        }
        overall = {
            "loss": 1 / epoch,
            "learning_rate": 0.001,
            "val_loss": 1.1 / epoch,
            "val_dice_positive": 0.3 * epoch / count,
            "val_dice_kaggle": 0.5,
            "val_iou_pooled": 0.25,
        }
        folder.append(Epoch(epoch, 10 * epoch, 1.0, overall | of_class))


def write_report(
    folder: Path,
    classes: Sequence[str] = CLASSES,
    *,
    reason: str = "3 groups of near-duplicates count",
) -> None:
    """Write an evaluation report with something of everything."""
    values = evaluation_values(classes, reason=reason)
    (folder / "evaluation.json").write_text(json.dumps(values))


def evaluation_values(
    classes: Sequence[str], *, reason: str = "3 groups of near-duplicates count"
) -> dict[str, Any]:
    """The values of an evaluation report with something of everything."""
    grid = [n / 100 for n in range(1, 100)]
    found = {"precision": 0.5, "recall": 0.25, "labelled": 4, "predicted": 5}
    strips = found | {"average_precision": None}
    each = dict.fromkeys(classes)
    missed = {"labelled": 7, "missed": 2, "missed_without_gate": 1}
    head = {
        "average_precision": 0.75,
        "peak_average_precision": 0.625,
        "empty": {"images": 12, "kept": 11, "kept_without_gate": 10},
        "missed": {"small": missed, "medium": missed, "large": missed},
    }
    return {
        "schema_version": 1,
        "part": "test",
        "classes": list(classes),
        "masks": "postprocessing",
        "no_interval": {f"dice_positive/{classes[1]}": reason},
        "post_intervals": {},
        "post_no_interval": {},
        "intervals": {"dice_positive": [0.25, 0.5], f"dice_positive/{classes[0]}": [0.125, 0.375]},
        "pr": {
            label: {
                "threshold": grid,
                "precision": [None, *grid[1:]],
                "recall": grid[::-1],
                "average_precision": 0.5,
            }
            for label in each
        },
        "calibration": {
            label: {"score": grid, "share": grid, "pixels": [1] * 99} for label in each
        },
        "confusion": {
            "labels": ["none", *classes],
            "pixels": [[int(a == b) * 3 + 1 for b in [0, *each]] for a in [0, *each]],
        },
        "images": dict.fromkeys(classes, strips),
        "components": {label: {"small": found, "large": found} for label in each},
        "head": {
            "clean": {"images": 9, "kept": 8, "kept_without_gate": 6},
            "rules_without_gate": {label: {"threshold": 0.5} for label in classes},
            "classes": dict.fromkeys(classes, head),
        },
    }


def _hostile_metrics() -> dict[str, float]:
    names = ("dice_positive", "dice_kaggle", f"dice_positive/{HOSTILE}", "loss", "dice_batch")
    return {f"val_{name}": 0.5 for name in names}


def _noise(root: Path, number: int) -> Path:
    path = root / f"noise_{number}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(path, number)
    return path


def picture(path: Path, number: int) -> None:
    """Write a picture of 480 x 90 whose size is that of an overlay."""
    random = np.random.default_rng(number)
    noise = random.integers(0, 255, (9, 48, 3), np.uint8)
    Image.fromarray(noise.repeat(10, axis=0).repeat(10, axis=1)).save(path)
