"""The command `reproduce`: a reported score, had again from its spec."""

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from steelexp import experiment
from steelexp.commands.outcome import DONE, FAILED, RequestError
from steelexp.commands.preview import plan_line
from steelexp.commands.show import one_run
from steelexp.experiment import UnfinishedError
from steelexp.plan import MODEL, Plan, prepare
from steelexp.progress import say, show
from steelexp.records.record import Record
from steelexp.report.reproduction import headline_table, verdict
from steelexp.spec import load

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
        "--within",
        type=float,
        default=0.0,
        metavar="DIFFERENCE",
        help="of any metric that still agrees (default: 0, to the last digit)",
    )
    again.add_argument("--fresh", action="store_true", help="not from an earlier reproduction")


def reproduce(given: argparse.Namespace) -> int:
    """Train again from the run's own spec, untracked, and hold every metric against its record."""
    folder = one_run(given.run)
    if folder.record is None:
        raise UnfinishedError(f"{folder.path}: unfinished; there is no score to reproduce")
    plan = _plan(folder.path, folder.record, given.runs)
    if given.fresh and (aside := plan.folder.set_aside()):
        say(f"The earlier reproduction is kept as {aside}")
    say(plan_line(plan))
    again = experiment.run(plan, command=shlex.join(["python", "-m", "steelexp", *_words(given)]))
    show(headline_table(folder.record, again))
    agrees, lines = verdict(folder.record, again, within=given.within)
    say("\n".join(lines))
    found = "reproduced" if agrees else "NOT reproduced"
    say(f"{folder.path}: {found}; the other run is {plan.folder.path}")
    return DONE if agrees else FAILED


def _plan(path: Path, record: Record, runs: Path) -> Plan:
    """The run's own spec on today's data, without its tracking: the experiment is not told twice.

    Raises:
        RequestError: the data is another by now, or this would be the run itself.
    """
    spec = load(path / "spec.yaml", ["tracking={name: none}"], model=MODEL)
    plan = prepare(spec, runs)
    if plan.digest != record.digest:
        raise RequestError(
            f"{path}: its data, split or weights file is no longer what it was (digest "
            f"{plan.digest}), so its scores cannot be had again"
        )
    if plan.folder.path.resolve() == path.resolve():
        raise RequestError(f"--runs {runs}: the run itself is there; name another folder")
    return plan


def _words(given: argparse.Namespace) -> list[str]:
    return ["reproduce", str(given.run), "--runs", str(given.runs)]
