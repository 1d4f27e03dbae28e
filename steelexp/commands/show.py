"""The command `show`: one run, one search, or the folds of one spec."""

import argparse
from pathlib import Path

from steelexp.command_line import again_line, python_line
from steelexp.commands.outcome import DONE
from steelexp.errors import UserError
from steelexp.progress import say, show
from steelexp.records.evaluation_report import read_evaluation_report
from steelexp.records.external_evaluation import read_external_evaluations
from steelexp.records.folds_file import FILE as FOLDS
from steelexp.records.folds_file import read_folds_file
from steelexp.records.search_file import FILE as SEARCH
from steelexp.records.search_file import read_search_file
from steelexp.records.store import RunFolder, run_folders
from steelexp.report.ensembles import lines_of_folds
from steelexp.report.external import headline
from steelexp.report.folds import folds_lines, folds_table
from steelexp.report.search_table import search_lines, trials_table
from steelexp.report.tables import metrics_table, run_lines
from steelexp.report.unlabelled_effect import effect_lines
from steelexp.spec import read_resolved
from steelexp.tracking.delivery import status_line
from steelexp.tracking.journal import NAME as JOURNAL


def add(one: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    one.set_defaults(act=show_run, prints_only=True, inputs=("run",))
    one.add_argument(
        "run", type=Path, metavar="RUN|SEARCH|FOLDS", help="folder of a run, a search or folds"
    )


def show_run(args: argparse.Namespace) -> int:
    """Print one run, the trials of one search, or the folds of one spec."""
    if (args.run / SEARCH).is_file():
        search = read_search_file(args.run)
        show(trials_table(search))
        say(*search_lines(search, args.run))
        return DONE
    if (args.run / FOLDS).is_file():
        folds = read_folds_file(args.run)
        show(folds_table(folds))
        say(*folds_lines(folds), *lines_of_folds(args.run), f"Written by: {folds.command}")
        return DONE
    folder = one_run(args.run)
    show_record(folder)
    say(*tracking_lines(folder))
    return DONE


def one_run(path: Path) -> RunFolder:
    """The only run folder at or below a path.

    Raises:
        UserError: there is none, or several.
    """
    if path.suffix == ".zip" and path.is_file():
        unpack = python_line("-m", "zipfile", "-e", path, path.with_suffix(""))
        raise UserError(f"{path}: unpack it and name the folder: {unpack}")
    folders = list(run_folders(path))
    if len(folders) != 1:
        names = ", ".join(str(f.path) for f in folders[:5])
        raise UserError(f"{path}: one run folder is expected{names and f'; here: {names}'}")
    return folders[0]


def tracking_lines(folder: RunFolder) -> list[str]:
    """How much of a run the tracking service has by now; no lines where it is not tracked."""
    if not (folder.path / JOURNAL).is_file():
        return []
    try:
        return [status_line(folder.path)]
    except UserError as error:
        return list(error.lines)


def show_record(folder: RunFolder) -> None:
    """Print the metrics of a finished run, what they were measured on, and how to run it again."""
    record = folder.record
    spec = read_resolved(folder.file("spec.yaml"))
    if record is None:
        say(f"{folder.path}: unfinished, {len(folder.epochs)} epochs; go on with: {folder.go_on}")
        return
    classes = record.split["parts"]["images_per_class"]["val"]
    show(metrics_table(record.metrics, classes, title=f"{record.name} {record.digest}"))
    for line in run_lines(record, spec, folder):
        say(line)
    for line in effect_lines(folder, record):
        say(line)
    for place, evaluation in read_external_evaluations(folder.path):
        report = read_evaluation_report(place, evaluation.files)
        say(f"{headline(evaluation, report)} Folder: {place}")
    say(f"Again: {again_line(record.command, folder.path)}")
