"""The state of a run between sessions: checkpoints and epochs.jsonl, and how they agree.

weights/last.h5       after the last epoch
weights/previous.h5   after the one before, should last.h5 be damaged
weights/best.h5       after the best epoch

Each checkpoint holds the epochs up to its own. An epoch is saved in this order, each step on disk
before the next: last.h5 gets its second name, the new last.h5, the line in epochs.jsonl, best.h5.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from steelexp.errors import UserError
from steelexp.progress import say
from steelexp.records.run_file import way_out
from steelexp.records.store import Epoch, RunFolder
from steelexp.training import checkpoint
from steelexp.training.checkpoint import CheckpointError

BestEpoch = Callable[[Sequence[Epoch]], int]
"""Function from epochs to the number of the best one."""


def save_epoch(
    folder: RunFolder,
    model: Any,
    epochs: Sequence[Epoch],
    *,
    best: bool,
    digest: str,
    exchanged: Sequence[Any] = (),
) -> None:
    """Save the state after an epoch.

    Args:
        folder: Run folder.
        model: Network.
        epochs: Epochs so far.
        best: Whether the last of them is the best so far.
        digest: Digest of the run.
        exchanged: Variables with the weights of the training, where averages stand in the network.
    """
    checkpoint.save(
        folder.last_weights,
        model,
        epochs,
        digest,
        previous=folder.previous_weights,
        exchanged=exchanged,
    )
    folder.append(epochs[-1])
    if best:
        checkpoint.copy(folder.last_weights, folder.best_weights)


def take_epochs(earlier: RunFolder, folder: RunFolder, *, digest: str) -> bool:
    """Copy epochs and weights of a finished run into one that goes on with them.

    The weights of the last epoch are copied last: with them the run can be resumed.

    Args:
        earlier: Folder of the finished run.
        folder: Folder of the run, which is described; one with epochs of its own stays as it is.
        digest: Digest of the run.

    Returns:
        Whether anything was copied.

    Raises:
        UserError: A checkpoint of the finished run is missing or damaged.
    """
    if folder.is_finished or any(
        path.is_file() for path in (folder.last_weights, folder.previous_weights)
    ):
        return False
    folder.rewrite_epochs(earlier.epochs)
    for source, target in (
        (earlier.best_weights, folder.best_weights),
        (earlier.last_weights, folder.last_weights),
    ):
        checkpoint.copy_to_run(source, target, digest=earlier.digest, new_digest=digest)
    return True


def resume(folder: RunFolder, best_epoch: BestEpoch, *, digest: str) -> list[Epoch]:
    """Find the latest whole state of a run and bring its files into agreement with it.

    What a kill leaves is completed without a word. What was damaged is made again from another
    checkpoint, and a line says so. A damaged epochs.jsonl is kept beside.

    Args:
        folder: Run folder.
        best_epoch: Function from epochs to the number of the best one.
        digest: Digest of the run.

    Returns:
        The epochs of last.h5; empty where the run has none.

    Raises:
        UserError: There are epochs and no whole checkpoint, or the best one is lost.
    """
    states = dict(_states(folder, digest))
    whole = {path: state for path, state in states.items() if isinstance(state, list)}
    if not whole:
        _refuse_epochs_without_weights(folder, states)
        return []
    latest = max(whole, key=lambda path: len(whole[path]))
    epochs = whole[latest]
    if latest != folder.last_weights:
        if isinstance(damage := states.get(folder.last_weights), CheckpointError):
            say(f"{damage}; {latest.name} takes its place")
        checkpoint.copy(latest, folder.last_weights)
    _agree(folder, epochs)
    number = best_epoch(epochs)
    if len(whole.get(folder.best_weights, ())) != number:
        _make_best(folder, whole, number, states.get(folder.best_weights), digest)
    return epochs


def saved_epochs(folder: RunFolder, *, digest: str) -> int:
    """The number of epochs that the latest whole checkpoint holds; 0 without one."""
    states = (state for _, state in _states(folder, digest))
    return max((len(state) for state in states if isinstance(state, list)), default=0)


def _states(folder: RunFolder, digest: str) -> Iterator[tuple[Path, list[Epoch] | CheckpointError]]:
    """The epochs of each checkpoint, or why it has none."""
    for path in (folder.last_weights, folder.previous_weights, folder.best_weights):
        try:
            epochs = checkpoint.epochs_of(path, digest)
        except CheckpointError as error:
            yield path, error
        else:
            if epochs:
                yield path, epochs


def _refuse_epochs_without_weights(folder: RunFolder, states: dict[Path, Any]) -> None:
    """Raise where something is left of epochs that no checkpoint holds."""
    causes = [str(error) for error in states.values()]
    epochs = folder.epochs_file
    if not causes and epochs.is_file() and b"\n" in epochs.read_bytes():
        causes = [f"{folder.path}: it has epochs and no {folder.last_weights.name}"]
    if causes:
        *others, last = causes
        raise UserError(*others, f"{last}; restore a checkpoint, or begin anew with --fresh")


def _agree(folder: RunFolder, epochs: Sequence[Epoch]) -> None:
    """Bring epochs.jsonl into agreement with the epochs of a checkpoint."""
    try:
        entries = folder.epochs
    except UserError as error:
        why = str(error)
    else:
        if entries == epochs:
            return
        if entries == epochs[:-1]:  # killed between the two writes of save_epoch
            folder.append(epochs[-1])
            return
        why = f"{folder.epochs_file}: not the epochs of {folder.last_weights.name}"
    aside = folder.rewrite_epochs(epochs)
    note = f". The damaged file is kept as {aside.name}" if aside else ""
    why = why.removesuffix(f"; {way_out(folder.path)}")
    say(f"{why}; written again from {folder.last_weights.name}{note}")


def _make_best(
    folder: RunFolder,
    whole: Mapping[Path, Sequence[Epoch]],
    best: int,
    state: object,
    digest: str,
) -> None:
    """Make best.h5 again from another checkpoint.

    Args:
        folder: Run folder.
        whole: Epochs of each whole checkpoint.
        best: Number of the best epoch.
        state: State of best.h5: its epochs, its damage, or None.
        digest: Digest of the run.

    Raises:
        UserError: No checkpoint holds that epoch any more.
    """
    path = folder.best_weights
    why = state if isinstance(state, CheckpointError) else f"{path}: not of the best epoch"
    source = next((each for each, epochs in whole.items() if len(epochs) == best), None)
    if source is None:
        raise UserError(f"{why}; restore it (it is of epoch {best}), or begin anew with --fresh")
    if isinstance(state, CheckpointError):
        say(f"{state}; made again from {source.name}")
    checkpoint.copy(source, path)
