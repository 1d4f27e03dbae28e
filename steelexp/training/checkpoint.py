"""Weights, optimizer state and the epoch they belong to, in one file.

An HDF5 file of weights that Keras reads by itself, with the optimizer's variables and the epoch's
record beside them. Being one file, it cannot be renamed into place by half.
"""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from steelexp.lazy import h5py
from steelexp.records.store import Epoch

_GROUP = "steelexp_training_state"


def save(path: Path, model: Any, epoch: Epoch) -> None:
    """Write weights, optimizer state and epoch beside, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.partial")
    model.save_weights(beside, save_format="h5")
    with h5py.File(beside, "a") as file:
        group = file.create_group(_GROUP)
        group.attrs["epoch"] = json.dumps(asdict(epoch))
        for i, variable in enumerate(_state(model.optimizer)):
            group.create_dataset(f"{i:05d}", data=variable.numpy())
    beside.replace(path)


def copy(source: Path, target: Path) -> None:
    """Copy beside, then rename."""
    beside = target.with_name(f".{target.name}.partial")
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
    """Load weights and optimizer state; the learning rate follows from the epochs behind."""
    model.load_weights(path)
    optimizer = model.optimizer
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    inner.build(model.trainable_variables)
    state = _state(optimizer)
    with h5py.File(path, "r") as file:
        values = [file[_GROUP][f"{i:05d}"][()] for i in range(len(state))]
    for variable, value in zip(state, values, strict=True):
        variable.assign(value)


def _state(optimizer: Any) -> list[Any]:
    """The optimizer's variables, and mixed precision's loss scale, which Keras leaves out."""
    scale = getattr(optimizer, "_loss_scale", None)
    dynamic = [scale.current_loss_scale, scale.counter] if scale is not None else []
    return [*optimizer.variables, *dynamic]
