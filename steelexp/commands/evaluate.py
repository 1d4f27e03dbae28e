"""The command `evaluate`: finished runs evaluated again."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from steelexp import experiment
from steelexp.commands.outcome import DONE
from steelexp.commands.report import leave_report
from steelexp.commands.run_plan import plan_of_run
from steelexp.commands.show import show_record
from steelexp.errors import UserError, explain_write_errors
from steelexp.evaluation.evaluator import DEFAULT_INFERENCE, InferenceSettings
from steelexp.inference.windows import KINDS
from steelexp.plan import Plan
from steelexp.progress import say, show
from steelexp.records.reevaluation import FOLDER, Reevaluation
from steelexp.records.store import run_folders
from steelexp.report.tables import beside, metrics_table, postprocessing_lines

if TYPE_CHECKING:
    from steelexp.commands.arguments import Subparsers


def add(commands: "Subparsers") -> None:
    """Add the command."""
    parser = commands.add_parser(
        "evaluate", help="evaluate finished runs again, from their weights"
    )
    parser.set_defaults(act=evaluate)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN|FOLDER")
    parser.add_argument(
        "--overlays",
        nargs="+",
        default=[],
        metavar="IMAGE",
        help="draw these images, too, for analysis/error_gallery.py",
    )
    parser.add_argument(
        "--inference",
        choices=KINDS,
        default=DEFAULT_INFERENCE.kind,
        help="whole images, overlapping windows with Gaussian weights, or the published six tiles; "
        "any but the default is kept beside the record (default: whole)",
    )
    parser.add_argument(
        "--tta", action="store_true", help="average over the four flips; kept beside the record"
    )


def evaluate(args: argparse.Namespace) -> int:
    """Evaluate finished runs again, from their best weights."""
    inference = InferenceSettings(args.inference, tta=args.tta)
    if args.overlays and inference != DEFAULT_INFERENCE:
        raise UserError("--overlays: drawn from whole images; leave out --inference and --tta")
    folders = [folder for path in args.runs for folder in run_folders(path)]
    if not folders:
        raise UserError(f"{', '.join(map(str, args.runs))}: no runs here")
    finished = [folder for folder in folders if folder.record is not None]
    for folder in folders:
        if folder not in finished:
            say(f"{folder.path}: unfinished, left out; run its spec again to go on")
    for number, folder in enumerate(finished, start=1):
        say(f"--- {number} of {len(finished)}: {folder.path}")
        plan = replace(plan_of_run(folder, folder.path.parent), folder=folder)
        with explain_write_errors(folder.path, "copy the run to a folder that can be written"):
            _evaluate_one(plan, inference, args.overlays)
    return DONE


def _evaluate_one(plan: Plan, inference: InferenceSettings, pictures: Sequence[str]) -> None:
    if inference == DEFAULT_INFERENCE:
        experiment.evaluate(plan, pictures=pictures)
        show_record(plan.folder)
        leave_report(plan.folder.path)
    else:
        _show_evaluation(plan, inference, experiment.reevaluate(plan, inference))


def _show_evaluation(plan: Plan, inference: InferenceSettings, found: Reevaluation) -> None:
    title = f"{plan.spec.name} {plan.digest}, {inference.name}"
    show(metrics_table(found.metrics, plan.dataset.classes, title=title))
    lines = [
        f"Evaluated by {found.definition}.",
        *postprocessing_lines(found.postprocessing, found.metrics),
    ]
    if (record := plan.folder.record) is not None:
        lines.append(f"The record holds {beside(record.metrics)}; this is {beside(found.metrics)}.")
    say("\n".join([*lines, f"Folder: {plan.folder.path / FOLDER / inference.name}"]))
