"""The command `reproduce`: train a finished run again and compare every metric."""

import argparse
from pathlib import Path
from typing import Any

from steelexp import experiment
from steelexp.command_line import recorded
from steelexp.commands.arguments import not_negative
from steelexp.commands.outcome import DONE, FAILED
from steelexp.commands.own_folder import set_aside
from steelexp.commands.preview import plan_lines
from steelexp.commands.run_plan import plan_of_run
from steelexp.commands.show import one_run
from steelexp.errors import UserError, explain_write_errors
from steelexp.file_names import check_folder
from steelexp.plan import Plan
from steelexp.progress import say, show
from steelexp.records import provenance
from steelexp.records.record import Record
from steelexp.records.store import RECORD, RunFolder
from steelexp.report.reproduction import change_lines, differences, headline_table, verdict
from steelexp.report.seed_spread import other_seeds, spread_lines
from steelexp.training import probe
from steelexp.training.execution import recorded_execution


def add(again: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    again.set_defaults(act=reproduce)
    again.add_argument("run", type=Path, metavar="RUN", help="folder of a finished run")
    again.add_argument(
        "--runs",
        type=Path,
        default=Path("reproduced"),
        help="folder of the second run (default: reproduced)",
    )
    again.add_argument(
        "--tolerance",
        type=not_negative,
        default=0.0,
        metavar="DIFFERENCE",
        help="largest difference allowed in any metric (default: 0, exact)",
    )
    again.add_argument(
        "--fresh", action="store_true", help="begin anew; an earlier reproduction is kept aside"
    )


def reproduce(args: argparse.Namespace) -> int:
    """Train again from the run's own spec, untracked, and compare every metric with its record."""
    check_folder(args.runs, "--runs")
    folder = one_run(args.run)
    record = folder.finished_record()
    plan = _plan(folder, args.runs)
    if args.fresh and (aside := set_aside(plan.folder.path, "spec.yaml", "a run")):
        say(f"The earlier reproduction is kept as {aside}")
    _check_earlier(plan.folder)
    files = provenance.read_source_files(folder.path / provenance.SOURCE)
    files_now = provenance.running_code().files
    say(*change_lines(record.provenance, provenance.facts(), files, files_now))
    say(*plan_lines(plan))
    probe.measure_once()
    command = recorded("reproduce", args.run, "--runs", args.runs)
    with explain_write_errors(args.runs, "choose another folder with --runs"):
        again = experiment.run(
            plan,
            command=command,
            execution=recorded_execution(record.provenance, folder.path / RECORD),
        )
    show(headline_table(record, again))
    agrees, lines = verdict(record, again, within=args.tolerance)
    if differences(record, again):
        lines += change_lines(_with_device(record), _with_device(again), files, files_now)
        lines += spread_lines(record, again, other_seeds(folder, record))
    say(*lines)
    result = "reproduced" if agrees else "NOT reproduced"
    say(f"{folder.path}: {result}; the other run is {plan.folder.path}")
    return DONE if agrees else FAILED


def _check_earlier(folder: RunFolder) -> None:
    """Check that an earlier reproduction, which counts or goes on, is one of this code and machine.

    Raises:
        UserError: It is not.
    """
    earlier = provenance.read_facts(folder.path / provenance.ENVIRONMENT)
    if words := provenance.changes_since(folder.path, earlier):
        raise UserError(
            f"{folder.path}: holds an earlier reproduction. Changed since: {'; '.join(words)}. Add "
            "--fresh to train again, or choose another folder with --runs"
        )


def _with_device(record: Record) -> dict[str, Any]:
    """The facts of a record; cores are a fact of their own: "CPU, 2 cores" is the device "CPU"."""
    return {"device": record.device.partition(",")[0]} | record.provenance


def _plan(folder: RunFolder, runs: Path) -> Plan:
    """The plan of the run, without tracking: the tracker has the experiment already.

    Raises:
        UserError: The plan is of the run itself.
    """
    plan = plan_of_run(folder, runs, overrides=["tracking={name: none}"])
    if plan.folder.path.resolve() == folder.path.resolve():
        raise UserError(f"--runs {runs}: the run itself is there; name another folder")
    return plan
