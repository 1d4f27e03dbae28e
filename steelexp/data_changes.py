"""What changed in the data since earlier runs, for messages."""

from pathlib import Path

from steelexp.data.image_table import FILE, contents_of, describe_changes, read_image_table
from steelexp.plan import Plan
from steelexp.records.record import Record
from steelexp.records.store import RunFolder
from steelexp.spec import dump


def changes_since(folder: RunFolder, record: Record, plan: Plan) -> str:
    """Why a run's data, split or weights file are no longer what they were.

    Args:
        folder: Folder of the finished run.
        record: Its record.
        plan: Plan of its spec on the data of now.
    """
    before = read_image_table(folder.path / FILE)
    if before is None:
        return (
            f"it had {record.image_count} images and now there are {len(plan.dataset)}; it keeps "
            f"no {FILE}, which would tell what changed"
        )
    changes = describe_changes(before, contents_of(plan.dataset))
    return (
        changes or "images and labels are the same, so its split, classes or weights file changed"
    )


def same_spec_on_other_data(plan: Plan) -> str | None:
    """A line about the latest run of the same spec on other data; None if there is none."""
    if plan.folder.path.exists():
        return None
    spec = dump(plan.spec)
    tables = [
        table
        for table in plan.folder.path.parent.glob(f"*/{FILE}")
        if ".old-" not in table.parent.name and _text(table.with_name("spec.yaml")) == spec
    ]
    for table in sorted(tables, key=lambda file: file.stat().st_mtime, reverse=True):
        before = read_image_table(table)
        changes = before and describe_changes(before, contents_of(plan.dataset))
        if changes:
            return f"A new run, because the data differ from those of {table.parent}: {changes}"
    return None


def _text(file: Path) -> str | None:
    return file.read_text("utf-8") if file.is_file() else None
