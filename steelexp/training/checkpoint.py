"""Weights, optimizer state and the epoch they belong to, in one file.

An HDF5 file of weights that Keras reads by itself, with the optimizer's variables and the epoch's
record beside them. Being one file, it cannot be renamed into place by half.
"""

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py

from steelexp.records.store import Epoch

_GROUP = "steelexp_training_state"


def save(path: Path, model: Any, epoch: Epoch) -> None:
    """Write weights, optimizer state and epoch beside, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    model.save_weights(beside, save_format="h5")
    with h5py.File(beside, "a") as file:
        group = file.create_group(_GROUP)
        group.attrs["epoch"] = json.dumps(asdict(epoch))
        for i, variable in enumerate(model.optimizer.variables):
            group.create_dataset(f"{i:05d}", data=variable.numpy())
    beside.replace(path)


def copy(source: Path, target: Path) -> None:
    """Copy beside, then rename."""
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copyfile(source, beside)
    beside.replace(target)


def epoch_of(path: Path) -> Epoch | None:
    """The epoch whose state the file holds; None where there is no such file."""
    if not path.is_file():
        return None
    with h5py.File(path, "r") as file:
        return Epoch(**json.loads(file[_GROUP].attrs["epoch"]))


def number_of(path: Path) -> int | None:
    """The number of that epoch."""
    epoch = epoch_of(path)
    return None if epoch is None else epoch.epoch


def restore(path: Path, model: Any) -> None:
    """Load weights and optimizer state."""
    model.load_weights(path)
    optimizer = model.optimizer
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    inner.build(model.trainable_variables)
    with h5py.File(path, "r") as file:
        group = file[_GROUP]
        values = [group[f"{i:05d}"][()] for i in range(len(optimizer.variables))]
    for variable, value in zip(optimizer.variables, values, strict=True):
        variable.assign(value)
