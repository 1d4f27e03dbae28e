"""The command `data audit`: labels that disagree with networks that have not seen the image."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from steelexp.audit.audit import audit
from steelexp.audit.files import PAGE, TABLE, check_replaceable, write_audit
from steelexp.command_line import program
from steelexp.commands.outcome import DONE
from steelexp.commands.run_plan import plan_of_run
from steelexp.data import pipeline
from steelexp.errors import UserError, explain_write_errors
from steelexp.plan import Plan
from steelexp.progress import say, show
from steelexp.records.audit import AuditFile
from steelexp.records.store import run_folders
from steelexp.report.audit_table import audit_table

if TYPE_CHECKING:
    from steelexp.commands.arguments import Subparsers

EPILOG = """\
examples:
  {program} data audit runs/line1/* --out audit
  {program} run experiments/line1.yaml data.exclude=audit-list.csv

An image is audited by the runs that trained neither on it nor on a near-duplicate of it. Take all
folds of a cross-validation to audit every image. Open OUT/audit.html, tick what is wrong, and save
the list. The setting data.exclude of a spec takes it.
"""


def add_parser(below: "Subparsers") -> None:
    """Add the command."""
    parser = below.add_parser(
        "audit",
        help="rank the labels that disagree with networks that have not seen the image",
        epilog=EPILOG.format(program=program()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(act=audit_labels, inputs=("runs", "out"))
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN|FOLDER", help="finished runs on the same data"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("audit"), metavar="DIR", help="folder of the results"
    )
    parser.add_argument(
        "--pictures",
        type=_count,
        default=100,
        metavar="N",
        help="number of components with a picture, the most suspicious first (default: 100)",
    )
    parser.add_argument(
        "--min-area",
        type=_count,
        default=32,
        metavar="PIXELS",
        help="least pixels of a component (default: 32)",
    )


def _count(word: str) -> int:
    number = int(word)
    if not 1 <= number <= 10_000:
        raise argparse.ArgumentTypeError(f"{word}: a number from 1 to 10000 is expected")
    return number


def audit_labels(args: argparse.Namespace) -> int:
    """Rank the labels of a data set by how much networks that have not seen them disagree."""
    check_replaceable(args.out)
    plans = [_plan(folder.path) for path in args.runs for folder in run_folders(path)]
    if not plans:
        raise UserError(f"{', '.join(map(str, args.runs))}: no runs here")
    with pipeline.original_errors(), explain_write_errors(args.out, "choose another with --out"):
        result = audit(plans, min_area=args.min_area)
        contents = write_audit(args.out, result, min_area=args.min_area, shown=args.pictures)
    show(audit_table(contents))
    say(*_lines(contents, args.out))
    return DONE


def _plan(path: Path) -> Plan:
    """The plan of a finished run, in its own folder."""
    (folder,) = run_folders(path)
    return replace(plan_of_run(folder, folder.path.parent), folder=folder)


def _lines(contents: AuditFile, out: Path) -> list[str]:
    audited = f"{contents.audited} of {contents.images} images audited"
    lines = [f"{audited}, {contents.components} components of at least {contents.min_area} pixels"]
    if contents.not_audited:
        lines.append(
            f"{contents.not_audited} images not audited, because every run trained on them or on a "
            "near-duplicate of them"
        )
    if contents.picked_epoch:
        lines.append(
            f"{contents.picked_epoch} images picked the epoch of every run that scored them, so "
            "their scores may agree with their labels a little too well"
        )
    lines.append(f"Tick what is wrong: {out / PAGE}; every component: {out / TABLE}")
    return lines
