"""The plan of a finished run, on the data that it was trained on."""

from collections.abc import Sequence
from pathlib import Path

from steelexp.data_changes import changes_since
from steelexp.errors import UserError
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
        UserError: the run has no record yet, or its data, its split or a weights file changed.
    """
    record = folder.finished_record()
    plan = prepare(load(folder.path / "spec.yaml", overrides, model=SpecModel), runs)
    if plan.digest != record.digest:
        raise UserError(
            f"{folder.path}: its data, split or weights file is no longer what it was (digest "
            f"{plan.digest}), so its scores cannot be reproduced; run its spec anew; "
            f"{changes_since(folder, record, plan)}"
        )
    return plan
