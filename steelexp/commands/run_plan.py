"""The plan of a run that there is, on the data that it was trained on."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from steelexp.errors import UserError
from steelexp.input_changes import input_changes, setting_changes
from steelexp.plan import Plan, SpecModel, prepare
from steelexp.records.record import read_record
from steelexp.records.store import RECORD, RunFolder
from steelexp.spec import ExperimentSpec, load
from steelexp.training.checkpoint import digest_of


def plan_of_run(folder: RunFolder, runs: Path, *, overrides: Sequence[str] = ()) -> Plan:
    """The plan of a finished run, with a folder below `runs`.

    Args:
        folder: Run folder; it may have been moved, or be a trial's.
        runs: Folder of the run folders.
        overrides: key=value of settings that are not in the digest.

    Raises:
        UserError: the run has no record yet, or its settings, data, split or weights file changed.
    """
    record = folder.finished_record()
    spec = load(folder.path / "spec.yaml", overrides, model=SpecModel)
    if not folder.is_whole("spec.yaml") and (settings := setting_changes(record, spec)):
        raise _changed(folder, settings)
    folder.file("spec.yaml")
    try:
        plan = prepare(spec, runs, own=folder)
    except UserError as error:
        if settings := setting_changes(record, spec):
            raise _changed(folder, [*settings, str(error)]) from error
        raise
    if plan.digest != record.digest:
        unknown = [f"its digest is {plan.digest}, for a reason that it does not record"]
        raise _changed(folder, input_changes(folder, record, plan) or unknown)
    return plan


def plan_of_folder(folder: RunFolder, spec: ExperimentSpec) -> Plan:
    """The plan of a run, finished or not, that goes on in its own folder.

    Args:
        folder: Run folder; it may have been moved, or be a trial's. Some files may be damaged.
        spec: Its spec.

    Raises:
        UserError: The plan is not the one of this run: its spec, data, split or weights file is no
            longer what it was.
    """
    plan = replace(prepare(spec, folder.path.parent, own=folder), folder=folder)
    digests = [digest for digest in _recorded_digests(folder) if digest]
    if plan.digest in digests:
        return plan
    if changes := _known_changes(folder, plan):
        raise _changed(folder, changes)
    runs = " or ".join(dict.fromkeys(digests)) or "that no whole file names"
    raise UserError(
        f"{folder.path}: holds the run {runs}, and its spec and data are now those of "
        f"{plan.digest}; restore them, or run its spec anew"
    )


def _recorded_digests(folder: RunFolder) -> Iterator[str]:
    """The digest of a run as each of its whole files names it."""
    with suppress(UserError):
        yield folder.digest
    with suppress(UserError):
        yield read_record(folder.path / RECORD).digest
    for path in (folder.last_weights, folder.best_weights):
        with suppress(UserError):
            yield digest_of(path)


def _known_changes(folder: RunFolder, plan: Plan) -> list[str]:
    """What changed since the record; nothing without a record that can be read."""
    try:
        return input_changes(folder, folder.finished_record(), plan)
    except UserError:
        return []


def _changed(folder: RunFolder, changes: Sequence[str]) -> UserError:
    return UserError(
        f"{folder.path}: its scores cannot be reproduced, because its inputs have changed: "
        f"{'; '.join(changes)}. Restore them, or run its spec anew"
    )
