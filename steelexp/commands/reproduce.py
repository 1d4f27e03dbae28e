"""The command `reproduce`: a reported score, had again from its spec."""

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from steelexp import experiment
from steelexp.commands.outcome import DONE, FAILED
from steelexp.commands.preview import plan_line
from steelexp.commands.run_plan import plan_of_run
from steelexp.commands.show import one_run
from steelexp.errors import UserError, explain_write_errors
from steelexp.plan import Plan
from steelexp.progress import say, show
from steelexp.records.store import RunFolder
from steelexp.report.reproduction import headline_table, verdict

if TYPE_CHECKING:
    from steelexp.commands.arguments import Subparsers


def add(commands: "Subparsers") -> None:
    """Add the command."""
    again = commands.add_parser("reproduce", help="run a finished run again; do the scores agree?")
    again.set_defaults(act=reproduce)
    again.add_argument("run", type=Path, metavar="RUN")
    again.add_argument(
        "--runs",
        type=Path,
        default=Path("reproduced"),
        help="where it is run again (default: reproduced)",
    )
    again.add_argument(
        "--tolerance",
        type=float,
        default=0.0,
        metavar="DIFFERENCE",
        help="of any metric that still agrees (default: 0, to the last digit)",
    )
    again.add_argument("--fresh", action="store_true", help="not from an earlier reproduction")


def reproduce(args: argparse.Namespace) -> int:
    """Train again from the run's own spec, untracked, and hold every metric against its record."""
    folder = one_run(args.run)
    plan = _plan(folder, args.runs)
    assert folder.record is not None
    if args.fresh and (aside := plan.folder.set_aside()):
        say(f"The earlier reproduction is kept as {aside}")
    say(plan_line(plan))
    command = shlex.join(["python", "-m", "steelexp", *_words(args)])
    with explain_write_errors(args.runs, "choose another folder with --runs"):
        again = experiment.run(plan, command=command)
    show(headline_table(folder.record, again))
    agrees, lines = verdict(folder.record, again, within=args.tolerance)
    say("\n".join(lines))
    found = "reproduced" if agrees else "NOT reproduced"
    say(f"{folder.path}: {found}; the other run is {plan.folder.path}")
    return DONE if agrees else FAILED


def _plan(folder: RunFolder, runs: Path) -> Plan:
    """The run's own, without its tracking: the experiment is not told twice.

    Raises:
        UserError: this would be the run itself.
    """
    plan = plan_of_run(folder, runs, overrides=["tracking={name: none}"])
    if plan.folder.path.resolve() == folder.path.resolve():
        raise UserError(f"--runs {runs}: the run itself is there; name another folder")
    return plan


def _words(args: argparse.Namespace) -> list[str]:
    return ["reproduce", str(args.run), "--runs", str(args.runs)]
