"""The command `evaluate`: re-evaluate finished runs from their weights."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from steelexp import reevaluate
from steelexp.commands.arguments import class_names, renamed_classes
from steelexp.commands.ensemble import ensemble_lines, results_of_ensemble
from steelexp.commands.outcome import DONE
from steelexp.commands.run_plan import plan_of_run
from steelexp.commands.show import show_record
from steelexp.ensemble import ensemble_of_folds, ensemble_of_runs
from steelexp.ensemble_evaluation import evaluate_ensemble
from steelexp.errors import UserError, explain_write_errors
from steelexp.evaluation.evaluator import DEFAULT_INFERENCE, InferenceSettings
from steelexp.external_evaluation import evaluate_on
from steelexp.inference.windows import KINDS
from steelexp.labelled_data import labelled_data
from steelexp.plan import Plan, SpecModel
from steelexp.progress import say, show
from steelexp.records.ensemble_file import FOLDER as FOLDER_OF_ENSEMBLE
from steelexp.records.evaluation_report import read_evaluation_report
from steelexp.records.folds_file import FILE as FOLDS
from steelexp.records.reevaluation import FOLDER, Reevaluation
from steelexp.records.store import RunFolder, run_folders
from steelexp.report.ensembles import ensemble_result_lines
from steelexp.report.external import external_lines, external_table
from steelexp.report.final_page import leave_report
from steelexp.report.tables import beside, metrics_table, postprocessing_lines
from steelexp.spec import load


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.set_defaults(act=evaluate)
    parser.add_argument(
        "runs",
        nargs="+",
        type=Path,
        metavar="RUN|FOLDS|FOLDER",
        help="run folders, folders of runs; or one folder of folds, whose ensemble is evaluated on "
        "the outer test part",
    )
    parser.add_argument(
        "--ensemble",
        action="store_true",
        help="evaluate the runs as one network, the mean of their scores, on the test images that "
        "none of them has seen",
    )
    parser.add_argument(
        "--overlays",
        nargs="+",
        default=[],
        metavar="IMAGE",
        help="write overlays of these images as well; analysis/error_gallery.py reads them",
    )
    parser.add_argument(
        "--inference",
        choices=KINDS,
        default=DEFAULT_INFERENCE.kind,
        help="whole images, a sliding window with Gaussian weights, or the six published tiles; "
        "results other than the default's are written beside the record (default: whole)",
    )
    parser.add_argument(
        "--tta",
        action="store_true",
        help="test-time augmentation: average the scores over the four flips; results are written "
        "beside the record",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="SPEC|ROOT",
        help="evaluate on all images of other labelled data, a spec's data section or a folder of "
        "a known layout; results are written beside the record",
    )
    parser.add_argument(
        "--classes",
        type=class_names,
        metavar="A,B,...",
        help="names of the mask values 1, 2, ... of --data, where its files do not name them",
    )
    parser.add_argument(
        "--rename",
        type=renamed_classes,
        default={},
        metavar="THEIRS=OURS,...",
        help="classes of --data that the runs call otherwise",
    )


def evaluate(args: argparse.Namespace) -> int:
    """Re-evaluate finished runs from the weights of their best epoch."""
    inference = InferenceSettings(args.inference, tta=args.tta)
    if args.overlays and inference != DEFAULT_INFERENCE:
        raise UserError("--overlays: of whole images only; leave out --inference and --tta")
    _check_external(args, inference)
    folds = [path for path in args.runs if (path / FOLDS).is_file()]
    if folds or args.ensemble:
        _check_ensemble(args, inference, folds)
        return _evaluate_ensemble(args.runs)
    folders = [folder for path in args.runs for folder in run_folders(path)]
    if not folders:
        raise UserError(f"{', '.join(map(str, args.runs))}: no runs here")
    finished = [folder for folder in folders if folder.record is not None]
    for folder in folders:
        if folder not in finished:
            say(f"{folder.path}: unfinished, left out; go on with: {folder.go_on}")
    for number, folder in enumerate(finished, start=1):
        say(f"--- {number} of {len(finished)}: {folder.path}")
        if args.data is not None:
            with explain_write_errors(folder.path, "copy the run to a folder that can be written"):
                _evaluate_on_other_data(folder, args)
            continue
        plan = replace(plan_of_run(folder, folder.path.parent), folder=folder)
        with explain_write_errors(folder.path, "copy the run to a folder that can be written"):
            _evaluate_one(plan, inference, args.overlays)
    return DONE


def _check_ensemble(
    args: argparse.Namespace, inference: InferenceSettings, folds: Sequence[Path]
) -> None:
    if args.data is not None or args.overlays or inference != DEFAULT_INFERENCE:
        raise UserError(
            "an ensemble is evaluated on whole images of its own data; leave out --data, "
            "--inference, --tta and --overlays"
        )
    if folds and len(args.runs) > 1:
        raise UserError(f"{folds[0]}: folds are an ensemble of their own; evaluate them alone")


def _evaluate_ensemble(paths: Sequence[Path]) -> int:
    """Evaluate a folder of folds, or several runs, as one network."""
    members = [folder.path for path in paths for folder in run_folders(path)]
    is_folds = (paths[0] / FOLDS).is_file()
    if not is_folds and len(members) < 2:
        raise UserError(f"--ensemble: {len(members)} runs at {paths[0]}; two at least are needed")
    ensemble = ensemble_of_folds(paths[0]) if is_folds else ensemble_of_runs(members)
    say(*ensemble_lines(ensemble))
    plans = [
        replace(plan_of_run(member, member.path.parent), folder=member)
        for member in ensemble.members
    ]
    place = paths[0] / FOLDER_OF_ENSEMBLE
    if not is_folds:
        place = results_of_ensemble(members[0], ensemble) / "evaluation"
    with explain_write_errors(place, "copy the runs to a folder that can be written"):
        evaluation = evaluate_ensemble(ensemble, plans, place)
    title = f"{evaluation.name} {evaluation.digest}, ensemble"
    show(metrics_table(evaluation.metrics, ensemble.card.classes, title=title))
    say(*ensemble_result_lines(evaluation), f"Folder: {place}")
    return DONE


def _evaluate_one(plan: Plan, inference: InferenceSettings, overlays: Sequence[str]) -> None:
    if inference == DEFAULT_INFERENCE:
        reevaluate.evaluate(plan, overlays=overlays)
        show_record(plan.folder)
        leave_report(plan.folder.path)
    else:
        _show_evaluation(plan, inference, reevaluate.reevaluate(plan, inference))


def _show_evaluation(plan: Plan, inference: InferenceSettings, evaluation: Reevaluation) -> None:
    title = f"{plan.spec.name} {plan.digest}, {inference.name}"
    show(metrics_table(evaluation.metrics, plan.dataset.classes, title=title))
    lines = [
        f"Evaluated by {evaluation.definition}.",
        *postprocessing_lines(evaluation.postprocessing, evaluation.metrics),
    ]
    if (record := plan.folder.record) is not None:
        lines.append(
            f"The record has {beside(record.metrics)}; here: {beside(evaluation.metrics)}."
        )
    say(*lines, f"Folder: {plan.folder.path / FOLDER / inference.name}")


def _check_external(args: argparse.Namespace, inference: InferenceSettings) -> None:
    if args.data is None:
        if args.classes or args.rename:
            raise UserError("--classes, --rename: only with --data")
    elif args.overlays or inference != DEFAULT_INFERENCE:
        raise UserError(
            "--data: evaluated on whole images with the run's own rules; leave out --inference, "
            "--tta and --overlays"
        )


def _evaluate_on_other_data(folder: RunFolder, args: argparse.Namespace) -> None:
    record = folder.finished_record()
    run_spec = load(folder.file("spec.yaml"), model=SpecModel)
    data = labelled_data(args.data, own=run_spec.data, classes=args.classes)
    evaluation, place = evaluate_on(folder, data, renamed=args.rename)
    own_report = read_evaluation_report(folder.path, record.files)
    report = read_evaluation_report(place, evaluation.files)
    show(external_table(record, own_report, evaluation, report))
    say(*external_lines(evaluation, report), f"Folder: {place}")
