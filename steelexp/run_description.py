"""The files of a run that follow from its plan and its checkpoints."""

import functools
import json
from collections.abc import Sequence
from pathlib import Path

from steelexp.data.image_table import FILE as IMAGE_TABLE
from steelexp.data.image_table import image_table
from steelexp.data.splits.split import split_csv
from steelexp.errors import UserError
from steelexp.metrics import lower_is_better
from steelexp.plan import Plan
from steelexp.privacy import public_values
from steelexp.records.record import Record
from steelexp.records.store import EPOCHS, Epoch
from steelexp.spec import ExperimentSpec, dump
from steelexp.starting_images import SEEN, seen_text
from steelexp.starting_run import start_texts
from steelexp.training import checkpoint
from steelexp.training.checkpoint import CheckpointError
from steelexp.training.plateau import best_epoch
from steelexp.training.resume import resume, saved_epochs
from steelexp.unlabelled import unlabelled_texts


def describe(plan: Plan) -> None:
    """Write the files that follow from the plan, unless they are there."""
    plan.folder.describe(plan.digest, _texts(plan))


def _texts(plan: Plan) -> dict[str, str]:
    """The files of a run that follow from its plan."""
    return {
        "spec.yaml": dump(plan.spec),
        IMAGE_TABLE: image_table(plan.dataset),
        "split.csv": split_csv(plan.dataset, plan.split),
        "split.json": json.dumps(public_values(plan.split_summary), indent=2) + "\n",
        **({} if plan.start is None else start_texts(plan.start)),
        **({} if plan.unlabelled is None else unlabelled_texts(plan.unlabelled)),
        **({SEEN: seen_text(plan.seen)} if plan.seen else {}),
    }


def mend(plan: Plan) -> Record:
    """Write the files of a finished run again that are no longer what the run wrote.

    These are the files that follow from the plan, epochs.jsonl, which the last checkpoint has, and
    the best checkpoint, if another one is of the same epoch. Removed weights stay removed.
    Where all are whole, nothing is written, so that the folder may be read-only.

    Returns:
        The record of the run.

    Raises:
        BusyError: Another process is at work in the folder.
        UserError: The record is damaged, or epochs.jsonl or the best checkpoint is and no other
            checkpoint has it.
    """
    folder = plan.folder
    if not folder.is_described(plan.digest, _texts(plan)):
        with folder.hold():
            describe(plan)
    record = folder.finished_record()
    damage = folder.epochs_file if not folder.is_whole(EPOCHS) else None
    if damage is None and _is_damaged(folder.best_weights, plan.digest):
        damage = folder.best_weights
    if damage is not None:
        with folder.hold():
            _mend_from_checkpoint(plan, record, damage)
    return record


def _is_damaged(weights: Path, digest: str) -> bool:
    try:
        checkpoint.epochs_of(weights, digest)
    except CheckpointError:
        return True
    return False


def _mend_from_checkpoint(plan: Plan, record: Record, damage: Path) -> None:
    """Write a damaged file of a finished run again, if a checkpoint holds all of its epochs."""
    folder = plan.folder
    if saved_epochs(folder, digest=plan.digest) < record.epochs:
        raise UserError(
            f"{damage}: damaged, and no checkpoint holds all {record.epochs} epochs of the run; "
            "restore it, or begin anew with --fresh"
        )
    resume(folder, functools.partial(best_epoch_of, plan.spec), digest=plan.digest)


def best_epoch_of(spec: ExperimentSpec, history: Sequence[Epoch]) -> int:
    """Number of the epoch with the best monitored metric."""
    values = [epoch.metrics[spec.training.monitor] for epoch in history]
    return best_epoch(values, lower_is_better=lower_is_better(spec.training.monitor))
