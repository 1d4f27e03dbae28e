"""The command `evaluate`: finished runs judged again."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from steelexp import experiment
from steelexp.commands.outcome import DONE, RequestError
from steelexp.commands.report import leave_report
from steelexp.commands.same_data import plan_again
from steelexp.commands.show import show_record
from steelexp.evaluation.judge import AS_TRAINED, Way
from steelexp.evaluation.windows import KINDS
from steelexp.plan import Plan
from steelexp.progress import say, show
from steelexp.records.evaluation import FOLDER, Evaluation
from steelexp.records.store import run_folders
from steelexp.report.tables import beside, decision_lines, metrics_table

if TYPE_CHECKING:
    from steelexp.commands.arguments import Subparsers


def add(commands: "Subparsers") -> None:
    """Add the command."""
    judge = commands.add_parser("evaluate", help="judge finished runs again, from their weights")
    judge.set_defaults(act=evaluate)
    judge.add_argument("runs", nargs="+", type=Path, metavar="RUN|FOLDER")
    judge.add_argument(
        "--pictures",
        nargs="+",
        default=[],
        metavar="STRIP",
        help="draw these strips, too, for analysis/error_gallery.py",
    )
    judge.add_argument(
        "--windows",
        choices=KINDS,
        default=AS_TRAINED.windows,
        help="whole strips, overlapping windows with Gaussian weights, or the published six tiles; "
        "any but the default is kept beside the record (default: whole)",
    )
    judge.add_argument(
        "--flips", action="store_true", help="average over the four flips; kept beside the record"
    )


def evaluate(given: argparse.Namespace) -> int:
    """Judge finished runs again, from their best weights."""
    way = Way(given.windows, flips=given.flips)
    if given.pictures and way != AS_TRAINED:
        raise RequestError("--pictures: drawn from whole strips; leave out --windows and --flips")
    folders = [folder for path in given.runs for folder in run_folders(path)]
    if not folders:
        raise RequestError(f"{', '.join(map(str, given.runs))}: no runs here")
    finished = [folder for folder in folders if folder.record is not None]
    for folder in folders:
        if folder not in finished:
            say(f"{folder.path}: unfinished, left out; run its spec again to go on")
    for number, folder in enumerate(finished, start=1):
        say(f"--- {number} of {len(finished)}: {folder.path}")
        plan = replace(plan_again(folder, folder.path.parent), folder=folder)
        if way == AS_TRAINED:
            experiment.evaluate(plan, pictures=given.pictures)
            show_record(folder)
            leave_report(folder.path)
        else:
            _show_evaluation(plan, way, experiment.evaluate_otherwise(plan, way))
    return DONE


def _show_evaluation(plan: Plan, way: Way, found: Evaluation) -> None:
    title = f"{plan.spec.name} {plan.digest}, {way.name}"
    show(metrics_table(found.metrics, plan.strips.classes, title=title))
    lines = [f"Judged by {found.definition}.", *decision_lines(found.decision, found.metrics)]
    if (record := plan.folder.record) is not None:
        lines.append(f"The record holds {beside(record.metrics)}; this is {beside(found.metrics)}.")
    say("\n".join([*lines, f"Folder: {plan.folder.path / FOLDER / way.name}"]))
