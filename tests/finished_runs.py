"""Run folders as finished runs leave them."""

from pathlib import Path
from typing import Any

from steelexp.plan import SpecModel
from steelexp.records.record import Record
from steelexp.records.run_file import hashes_of, read_run_file, write_run_file
from steelexp.records.store import RunFolder
from steelexp.spec import dump

METRICS = {
    "val_dice_positive": 0.5,
    "val_dice_positive/1": 0.75,
    "val_dice_positive/2": 0.25,
    "val_dice_kaggle": 0.875,
    "val_dice_kaggle_all_empty": 0.8125,
    "val_dice_batch": 0.25,
    "val_loss": 0.125,
}
PARTS = {
    "train": 10,
    "val": 6,
    "test": 0,
    "images_per_class": {"train": {"1": 5, "2": 3}, "val": {"1": 3, "2": 1}},
    "digest": "sha",
    "groups": 16,
    "leak": {"groups": 0, "val": 0, "test": 0},
}


def record(**fields: object) -> Record:
    """Return the record of a run of four epochs on two classes; any field can be another."""
    values: dict[str, object] = {
        "name": "b4_dice",
        "digest": "3f9c1a7e",
        "seed": 42,
        "started": "2026-01-31T12:00:00+00:00",
        "seconds": 90.0,
        "command": "steelexp run experiments/b4_dice.yaml",
        "device": "CPU, 2 cores",
        "parameters": 1000,
        "steps": 10,
        "class_weights": {"1": 1.0, "2": 1.0},
        "epochs": 4,
        "best_epoch": 3,
        "monitor": "val_dice_batch",
        "metrics": METRICS,
        "definitions": {"dice_positive": "..."},
        "split": {
            "kind": "random",
            "validation": 0.15,
            "parts": PARTS,
        },
        "tiling": {"kind": "columns"},
        "batch_size": 16,
        "weights": "sha",
        "threshold": 0.5,
        "data": "sha",
        "images": "image_scores.parquet",
        "tracking": "Tracking: off.",
        "provenance": {"commit": ""},
    }
    return Record.model_validate(values | fields)


def finished(path: Path, **fields: object) -> RunFolder:
    """Write spec.yaml and record.json of a finished run."""
    made = record(**fields)
    folder = unfinished(path, made.digest, name=made.name, seed=made.seed)
    folder.finish(made)
    return folder


def unfinished(path: Path, digest: str = "3f9c1a7e", **fields: object) -> RunFolder:
    """Write spec.yaml and run.json of a run that has only begun."""
    values: dict[str, object] = {
        "name": "b4_dice",
        "data": {"source": "synthetic", "root": "drawn"},
        "split": {"kind": "random"},
        "tiling": {"kind": "columns"},
        "model": {"architecture": "unet", "backbone": "mobilenet", "weights": "none"},
        "loss": {"name": "dice"},
        "optimizer": {"name": "adam"},
        "training": {"epochs": 4, "batch_size": 16},
        "tracking": {"name": "none"},
        "published": {"metric": "val_dice_batch", "value": 0.7172, "source": "published"},
        "seed": 42,
    }
    folder = RunFolder(path)
    folder.describe(digest, {"spec.yaml": dump(SpecModel.model_validate(values | fields))})
    return folder


def change_record(path: Path, **fields: object) -> Record:
    """Write the record of a finished run again with other fields, and run.json with its digest."""
    made = Record.model_validate(record_values(path) | fields)
    run_file = read_run_file(path)
    assert run_file is not None
    write_run_file(path, made.digest, run_file.files)
    return RunFolder(path).finish(made)


def record_values(path: Path) -> dict[str, Any]:
    """The fields of the record of a finished run."""
    return RunFolder(path).finished_record().model_dump(mode="json")


def reseal(path: Path) -> RunFolder:
    """Write the hashes of a run's files again, after a test has changed some."""
    folder = RunFolder(path)
    run_file = read_run_file(path)
    assert run_file is not None
    write_run_file(path, run_file.digest, hashes_of(path, run_file.files))
    if folder.is_finished:
        folder.finish(folder.finished_record())
    return folder
