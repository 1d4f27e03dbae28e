"""A finished run's own spec, on data that are still what they were."""

from collections.abc import Sequence
from pathlib import Path

from steelexp.errors import UserError
from steelexp.plan import Plan, SpecModel, prepare
from steelexp.records.store import RunFolder
from steelexp.spec import load


def plan_of_run(folder: RunFolder, runs: Path, *, overrides: Sequence[str] = ()) -> Plan:
    """The plan of a finished run, with a folder below `runs`.

    Args:
        folder: of the run; it may have been moved, or be a trial's.
        runs: as for prepare.
        overrides: `key=value`, of settings that are not in the digest.

    Raises:
        UserError: the run has no record yet, or its data, its split or a weights file changed.
    """
    if folder.record is None:
        raise UserError(f"{folder.path}: unfinished; run its spec again to go on")
    plan = prepare(load(folder.path / "spec.yaml", overrides, model=SpecModel), runs)
    if plan.digest != folder.record.digest:
        raise UserError(
            f"{folder.path}: its data, split or weights file is no longer what it was (digest "
            f"{plan.digest}), so its scores cannot be had again; run its spec anew"
        )
    return plan
