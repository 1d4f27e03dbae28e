"""The plan of a finished run, on the data that it was trained on."""

from collections.abc import Sequence
from pathlib import Path

from steelexp.errors import UserError
from steelexp.input_changes import input_changes, setting_changes
from steelexp.plan import Plan, SpecModel, prepare
from steelexp.records.store import RunFolder
from steelexp.spec import load


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
        plan = prepare(spec, runs)
    except UserError as error:
        if settings := setting_changes(record, spec):
            raise _changed(folder, [*settings, str(error)]) from error
        raise
    if plan.digest != record.digest:
        unknown = [f"its digest is {plan.digest}, for a reason that it does not record"]
        raise _changed(folder, input_changes(folder, record, plan) or unknown)
    return plan


def _changed(folder: RunFolder, changes: Sequence[str]) -> UserError:
    return UserError(
        f"{folder.path}: its scores cannot be reproduced, because its inputs have changed: "
        f"{'; '.join(changes)}. Restore them, or run its spec anew"
    )
