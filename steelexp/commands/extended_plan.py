"""The plan of a run, after the file of its split has got rows for new images."""

from dataclasses import replace
from pathlib import Path

from steelexp.data.splits.extension import describe_parts, write_new_rows
from steelexp.errors import reason
from steelexp.plan import Plan, prepare
from steelexp.progress import say
from steelexp.spec import ExperimentSpec

MOST_NAMES = 3
"""Names in a line."""


def extended_plan(spec: ExperimentSpec, runs: Path) -> Plan:
    """Prepare a run, and append the images that `extend: true` has dealt to the split's file.

    A file that cannot be extended gets a line, and the run goes on: its own split.csv has all rows.

    Args:
        spec: The resolved spec.
        runs: Folder of the run folders.

    Raises:
        UserError: The data set is missing or wrong, or the spec does not fit it.
    """
    while (plan := _extend(prepare(spec, runs))) is None:
        pass  # another process has just dealt the same images to other parts
    return plan


def _extend(plan: Plan) -> Plan | None:
    """The plan with an extended file; None if the split has to be made again."""
    file = plan.split_file
    if file is None or not file.new:
        return plan
    images = describe_parts(file.new_parts)
    if file.missing:
        names = ", ".join(file.missing[:MOST_NAMES])
        say(
            f"{file.path}: not extended by {images}, because it has {len(file.missing)} rows for "
            f"images that this data set lacks ({names}), whose near-duplicates may be among the "
            "new ones; run all images (data.subset: null, data.deduplicate: false), or remove "
            "these rows"
        )
        return plan
    try:
        extended = write_new_rows(file)
    except OSError as error:
        say(
            f"{file.path}: not extended by {images}: {reason(error)}; make it writable, or copy "
            f"{plan.folder.path / 'split.csv'} over it after the run"
        )
        return plan
    if extended is None:
        return None
    say(f"{file.path}: {images} added, now version {extended.version}")
    return replace(plan, split_file=extended)


def new_row_lines(plan: Plan) -> list[str]:
    """A line about the images that a run would append to the split's file, if there are any."""
    file = plan.split_file
    if file is None or not file.new:
        return []
    return [f"new images  {describe_parts(file.new_parts)} have no row in {file.path} yet"]
