"""Weights, optimizer state and the epochs behind them, in one file that notices damage.

An HDF5 file of weights that Keras reads by itself, with the optimizer's variables and the epochs so
far beside them. HDF5 leaves the first bytes of a file to the user: there stand the digest of the
run and the hash of the rest, which is compared before HDF5 opens the file, because a damaged file
can bring its library down. Being one file, it cannot be renamed into place by half.
"""

import errno
import io
import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from steelexp.checksum import hash_bytes
from steelexp.errors import UserError, explain_read_errors, reason
from steelexp.lazy import h5py, keras
from steelexp.limits import WEIGHTS_BYTES
from steelexp.model.finiteness import check_weights
from steelexp.records.atomic import give_second_name, replacing, sync
from steelexp.records.store import Epoch
from steelexp.regular_file import read_regular

_GROUP = "steelexp_training_state"
_EPOCHS = "epochs"
_EXCHANGED = "exchanged"

_USER_BLOCK = 512
"""Bytes before the HDF5 file; the least that HDF5 takes."""

_HEADER = re.compile(rb"steelexp checkpoint 1\nrun (\w*)\nxxh3 ([0-9a-f]{32})\n\0*", re.ASCII)


WeightsByName = Mapping[str, npt.NDArray[Any]]
"""Name of each variable of a network, such as conv1/kernel:0 -> its value."""


class CheckpointError(UserError):
    """A file is not a whole checkpoint of the run."""


def save(
    path: Path,
    model: Any,
    epochs: Sequence[Epoch],
    digest: str,
    *,
    previous: Path | None = None,
    exchanged: Sequence[Any] = (),
) -> None:
    """Write weights, optimizer state and epochs beside, then rename.

    HDF5 writes to memory, because on a full disk it brings the process down. Keras's `save_weights`
    takes a path only, so that its part is called here.

    Args:
        path: File to write.
        model: Compiled network.
        epochs: The epochs so far; the last one left these weights.
        digest: Digest of the run.
        previous: Second name of the file that stood there; None if it is not kept.
        exchanged: Variables with the weights that the training goes on with, where averages stand
            in their place.
    """
    content = io.BytesIO()
    with _weights_file(content, model) as file:
        group = file.create_group(_GROUP)
        text = json.dumps([asdict(epoch) for epoch in epochs])
        group.create_dataset(_EPOCHS, data=np.frombuffer(text.encode(), np.uint8))
        for i, variable in enumerate(optimizer_state(model.optimizer)):
            group.create_dataset(f"{i:05d}", data=variable.numpy())
        for i, variable in enumerate(exchanged):
            group.create_dataset(f"{_EXCHANGED}{i:05d}", data=variable.numpy())
    _write(path, content.getbuffer(), digest, previous)


def save_weights(path: Path, model: Any, digest: str) -> None:
    """Write the weights alone, which `load_weights` reads: a third of a checkpoint with Adam.

    Args:
        path: File to write.
        model: Network.
        digest: Digest of the run.
    """
    content = io.BytesIO()
    with _weights_file(content, model):
        pass
    _write(path, content.getbuffer(), digest, None)


def copy(source: Path, target: Path) -> None:
    """Copy a checkpoint beside, then rename. A reader of the copy checks its hash.

    Args:
        source: Checkpoint of a run.
        target: File to write.
    """
    with replacing(target) as beside:
        shutil.copyfile(source, beside)


def copy_to_run(source: Path, target: Path, *, digest: str, new_digest: str) -> None:
    """Copy a checkpoint for another run, which goes on from it.

    Args:
        source: Checkpoint of a run.
        target: File to write.
        digest: Digest of the run.
        new_digest: Digest of the other run.

    Raises:
        CheckpointError: The source is not a whole checkpoint of the run.
    """
    _write(target, memoryview(bytearray(_content(source, digest))), new_digest, None)


def digest_of(path: Path) -> str:
    """The digest of the run that a checkpoint names; its content is not checked.

    Raises:
        UserError: The file is missing, cannot be read, or is not a checkpoint.
    """
    with explain_read_errors(path, "make it readable for this account"), path.open("rb") as file:
        return _header(path, file.read(_USER_BLOCK))[0]


def epochs_of(path: Path, digest: str) -> list[Epoch] | None:
    """The epochs up to the one whose state the file holds; None where there is no such file.

    Raises:
        CheckpointError: The file is not a whole checkpoint of the run.
    """
    if not path.is_file():
        return None
    with _open(path, digest) as file:
        return [Epoch(**epoch) for epoch in json.loads(file[_GROUP][_EPOCHS][()].tobytes())]


def restore(path: Path, model: Any, digest: str, exchanged: Sequence[Any] = ()) -> None:
    """Load weights and optimizer state; the learning rate follows from the epochs behind.

    Args:
        path: Checkpoint.
        model: Compiled network.
        digest: Digest of the run.
        exchanged: Variables that get the weights which the training goes on with, see `save`.

    Raises:
        CheckpointError: The file is not a whole checkpoint of the run.
        NotFiniteError: Its weights hold NaN or infinity.
    """
    optimizer = model.optimizer
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    inner.build(model.trainable_variables)
    state = optimizer_state(optimizer)
    with _open(path, digest) as file:
        values = [file[_GROUP][f"{i:05d}"][()] for i in range(len(state))]
        values += [file[_GROUP][f"{_EXCHANGED}{i:05d}"][()] for i in range(len(exchanged))]
        _load_weights(file, model)
    check_weights(model, path)
    for variable, value in zip([*state, *exchanged], values, strict=True):
        variable.assign(value)


def load_weights(path: Path, model: Any, digest: str) -> None:
    """Load the weights alone, into a network that need not be compiled.

    Raises:
        CheckpointError: The file is not a whole checkpoint of the run.
        ValueError: It is one of another network.
    """
    with _open(path, digest) as file:
        _load_weights(file, model)


def read_weights(path: Path, digest: str) -> WeightsByName:
    """The weights of a checkpoint by name, without those of the optimizer.

    Args:
        path: Checkpoint of a run.
        digest: Digest of the run.

    Raises:
        UserError: The file is missing, or not a whole checkpoint of the run.
    """
    with _open(path, digest) as file:
        layers = [file[name] for name in file.attrs["layer_names"]]
        return {
            (name if isinstance(name, str) else name.decode()): layer[name][()]
            for layer in layers
            for name in layer.attrs["weight_names"]
        }


def hash_by_name(weights: WeightsByName) -> str:
    """Hash of weights with their names and shapes."""
    ordered = sorted(weights.items())
    shapes = json.dumps([(name, value.shape) for name, value in ordered]).encode()
    return hash_bytes(b"".join([shapes, *(value.tobytes() for _, value in ordered)]))


def weights_hash(model: Any) -> str:
    """Hash of the weights of a network, without those of its optimizer: shapes and values."""
    weights = model.get_weights()
    shapes = json.dumps([weight.shape for weight in weights]).encode()
    return hash_bytes(b"".join([shapes, *(weight.tobytes() for weight in weights)]))


@contextmanager
def _open(path: Path, digest: str) -> Iterator[Any]:
    """Open a checkpoint for reading."""
    content = io.BytesIO(_content(path, digest))
    try:
        with h5py.File(content, "r") as file:
            yield file
    except (OSError, KeyError) as error:
        raise CheckpointError(f"{path}: not a whole checkpoint ({reason(error)})") from error


def _content(path: Path, digest: str) -> bytes:
    """The bytes of a whole checkpoint of a run."""
    with explain_read_errors(path, "make it readable for this account"):
        try:
            content = read_regular(path, WEIGHTS_BYTES)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            raise CheckpointError(f"{path}: damaged: {reason(error)}") from error  # a bad sector
    run, checksum = _header(path, content[:_USER_BLOCK])
    if hash_bytes(memoryview(content)[_USER_BLOCK:]) != checksum:
        raise CheckpointError(f"{path}: damaged: its content does not match its hash")
    if run != digest:
        raise CheckpointError(f"{path}: of another run ({run}, and this one is {digest})")
    return content


def _header(path: Path, block: bytes) -> tuple[str, str]:
    """The digest of the run and the hash of the content, which the user block names."""
    header = _HEADER.fullmatch(block)
    if header is None:
        raise CheckpointError(f"{path}: not a checkpoint of this version of steelexp, or damaged")
    run, checksum = header.groups()
    return run.decode(), checksum.decode()


def _write(path: Path, content: memoryview, digest: str, previous: Path | None) -> None:
    """Fill in the user block of a checkpoint's bytes and write them."""
    checksum = hash_bytes(content[_USER_BLOCK:])
    header = f"steelexp checkpoint 1\nrun {digest}\nxxh3 {checksum}\n".encode()
    content[:_USER_BLOCK] = header.ljust(_USER_BLOCK, b"\0")
    with replacing(path) as beside:
        beside.write_bytes(content)
        if previous is not None and path.is_file():
            sync(beside)
            give_second_name(path, previous)


@contextmanager
def _weights_file(content: io.BytesIO, model: Any) -> Iterator[Any]:
    """An HDF5 file with the weights of a network, open for more."""
    with h5py.File(content, "w", userblock_size=_USER_BLOCK) as file:
        keras.src.saving.legacy.hdf5_format.save_weights_to_hdf5_group(file, model)
        yield file


def _load_weights(file: Any, model: Any) -> None:
    keras.src.saving.legacy.hdf5_format.load_weights_from_hdf5_group(file, model)


def optimizer_state(optimizer: Any) -> list[Any]:
    """The optimizer's variables, and mixed precision's loss scale, which Keras leaves out."""
    scale = getattr(optimizer, "_loss_scale", None)
    dynamic = [scale.current_loss_scale, scale.counter] if scale is not None else []
    return [*optimizer.variables, *dynamic]
