"""Weights, optimizer state and the epoch they belong to, in one file.

An HDF5 file of weights that Keras reads by itself, with the optimizer's variables and the epoch's
record beside them. Being one file, it cannot be renamed into place by half.
"""

import io
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from steelexp.checksum import hash_bytes
from steelexp.errors import UserError, reason
from steelexp.lazy import h5py, keras
from steelexp.model.finiteness import check_weights
from steelexp.records.atomic import replacing, write_atomically
from steelexp.records.store import Epoch

_GROUP = "steelexp_training_state"


def save(path: Path, model: Any, epoch: Epoch) -> None:
    """Write weights, optimizer state and epoch beside, then rename.

    HDF5 writes to memory, because on a full disk it brings the process down. Keras's `save_weights`
    takes a path only, so that its part is called here.
    """
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        keras.src.saving.legacy.hdf5_format.save_weights_to_hdf5_group(file, model)
        group = file.create_group(_GROUP)
        group.attrs["epoch"] = json.dumps(asdict(epoch))
        for i, variable in enumerate(_state(model.optimizer)):
            group.create_dataset(f"{i:05d}", data=variable.numpy())
    write_atomically(path, content.getbuffer())


def copy(source: Path, target: Path) -> None:
    """Copy beside, then rename."""
    with replacing(target) as beside:
        shutil.copyfile(source, beside)


def epoch_of(path: Path) -> Epoch | None:
    """The epoch whose state the file holds; None where there is no such file."""
    if not path.is_file():
        return None
    with _open(path) as file:
        return Epoch(**json.loads(file[_GROUP].attrs["epoch"]))


def number_of(path: Path) -> int | None:
    """The number of that epoch."""
    epoch = epoch_of(path)
    return None if epoch is None else epoch.epoch


def restore(path: Path, model: Any) -> None:
    """Load weights and optimizer state; the learning rate follows from the epochs behind."""
    optimizer = model.optimizer
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    inner.build(model.trainable_variables)
    state = _state(optimizer)
    with _open(path) as file:
        values = [file[_GROUP][f"{i:05d}"][()] for i in range(len(state))]
        model.load_weights(path)
    check_weights(model, path)
    for variable, value in zip(state, values, strict=True):
        variable.assign(value)


def weights_hash(model: Any) -> str:
    """Hash of the weights of a network, without those of its optimizer: shapes and values."""
    weights = model.get_weights()
    shapes = json.dumps([weight.shape for weight in weights]).encode()
    return hash_bytes(b"".join([shapes, *(weight.tobytes() for weight in weights)]))


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    """Open a checkpoint for reading.

    Raises:
        UserError: the file is missing, damaged or of another kind.
    """
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError) as error:
        raise UserError(
            f"{path}: not a whole checkpoint ({reason(error)}); run the spec again with --fresh"
        ) from error


def _state(optimizer: Any) -> list[Any]:
    """The optimizer's variables, and mixed precision's loss scale, which Keras leaves out."""
    scale = getattr(optimizer, "_loss_scale", None)
    dynamic = [scale.current_loss_scale, scale.counter] if scale is not None else []
    return [*optimizer.variables, *dynamic]
