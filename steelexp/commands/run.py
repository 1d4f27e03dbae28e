"""The command `run`: train, evaluate and track; search where the spec has a search."""

import argparse
import functools
from collections.abc import Callable, Sequence

from steelexp import experiment, joint_training
from steelexp.command_line import command_line, recorded, runs_words
from steelexp.commands.arguments import Request, add_runs_option, requests
from steelexp.commands.extended_plan import extended_plan
from steelexp.commands.folds import check_folds, fold_requests, leave_folds
from steelexp.commands.outcome import DONE, FAILED
from steelexp.commands.own_folder import set_aside
from steelexp.commands.preview import plan_lines, show_plan
from steelexp.commands.run_plan import plan_of_folder
from steelexp.commands.search import (
    add_executor_options,
    check_executor,
    executor_words,
    run_search,
)
from steelexp.commands.show import show_record
from steelexp.epoch_profile import EpochProfile
from steelexp.errors import RunFailedError, UserError, explain_write_errors
from steelexp.file_names import check_folder
from steelexp.input_changes import same_spec_on_other_data
from steelexp.plan import Plan
from steelexp.progress import say, show, take_printed
from steelexp.records.store import RunFolder, run_folders
from steelexp.report.final_page import leave_report
from steelexp.report.profile_table import FILE as PROFILE
from steelexp.report.profile_table import profile_csv, profile_table
from steelexp.report.tables import leaderboard, standings
from steelexp.run_description import mend
from steelexp.search.ray_train import train_together
from steelexp.terminal import print_error
from steelexp.training import probe
from steelexp.trial import tracked_trial


def add(train: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    train.set_defaults(act=run)
    add_runs_option(train)
    train.add_argument(
        "specs",
        nargs="+",
        metavar="SPEC|FOLDER|RUN|key=value",
        help="spec files, folders of specs, run folders to go on with wherever they lie, and "
        "overrides such as training.epochs=2",
    )
    train.add_argument("--seeds", help="run each spec with each of these seeds, such as 0,1,2")
    train.add_argument(
        "--fresh", action="store_true", help="begin anew; an earlier run is kept aside"
    )
    train.add_argument(
        "--folds",
        action="store_true",
        help="run every fold of specs with split.kind=kfold, and write one result of all of them",
    )
    add_executor_options(train)
    train.add_argument(
        "--profile",
        action="store_true",
        help="print where the seconds of the epochs went, and keep the table in the run folder",
    )
    train.add_argument(
        "--dry-run",
        action="store_true",
        help="print the plan and train nothing; a synthetic data set is generated and images are "
        "cached if need be",
    )


def run(args: argparse.Namespace) -> int:
    """Run every spec, one after the other; skip what is finished."""
    if args.dry_run and args.fresh:
        raise UserError("--fresh: without effect beside --dry-run; leave one of them out")
    check_folder(args.runs, "--runs")
    every = requests(args.specs, args.seeds)
    folds = fold_requests(every, args.seeds) if args.folds else []
    every = [member for each in folds for member in each.members] if folds else every
    check_executor(args, [request.spec for request in every])
    if args.profile:
        _check_profile(args, every)
    if not args.dry_run:
        check_folds(folds, args.runs)
    failed = _each(every, args, _preview if args.dry_run else _run_request)
    if len(every) > 1 and not args.dry_run:
        show(leaderboard(standings(run_folders(args.runs))))
        say(f"{len(every) - failed} of {len(every)} runs are finished in {args.runs}")
        leave_folds(folds, args.runs)
        leave_report(args.runs)
    return FAILED if failed else DONE


def _check_profile(args: argparse.Namespace, every: Sequence[Request]) -> None:
    if args.dry_run:
        raise UserError("--profile: without effect beside --dry-run; leave one of them out")
    for request in every:
        spec = request.spec
        if spec.search is not None and request.folder is None:
            raise UserError(f"--profile: {spec.name} is a search; profile a single run")
        if spec.training.workers > 1:
            raise UserError(
                f"--profile: {spec.name} has {spec.training.workers} workers; profile a run with "
                "training.workers=1"
            )


def _each(
    every: Sequence[Request],
    args: argparse.Namespace,
    act: Callable[[Request, argparse.Namespace], None],
) -> int:
    """Act on every request; the number of those that failed.

    Raises:
        UserError: The only request is wrong.
    """
    failed = 0
    for number, request in enumerate(every, start=1):
        spec = request.spec
        if len(every) > 1:
            take_printed()  # the last lines of the run before, which are not of this one
            say(f"--- {number} of {len(every)}: {spec.name}, seed {spec.seed}")
        try:
            with explain_write_errors(args.runs, "choose another folder with --runs"):
                act(request, args)
        except UserError as error:
            if len(every) == 1 and not isinstance(error, RunFailedError):
                raise
            print_error(*error.lines, before=f"steelexp: {spec.name}, seed {spec.seed}")
            failed += 1
    return failed


def run_requests(every: Sequence[Request], args: argparse.Namespace) -> int:
    """Run experiments, one after the other; skip what is finished.

    Returns:
        Number of those that failed.
    """
    return _each(every, args, _run_request)


def _preview(request: Request, args: argparse.Namespace) -> None:
    if request.folder is not None:
        raise UserError(
            f"{request.folder.path}: --dry-run: without effect on a run folder, which has its plan "
            "already; leave it out"
        )
    options = executor_words(args) if request.spec.search else []
    words = ["run", *request.words, *runs_words(args.runs), *options]
    show_plan(request.spec, args.runs, command_line(*words))


def _run_request(request: Request, args: argparse.Namespace) -> None:
    if request.spec.search is None or request.folder is not None:
        _run_one(request, args)
    else:
        run_search(request.spec, args)


def _run_one(request: Request, args: argparse.Namespace) -> None:
    spec = request.spec
    command = recorded("run", *request.words, *runs_words(args.runs))
    plan = _plan(request, args)
    profile = EpochProfile()
    if args.fresh:
        _set_aside(plan.folder)
    if plan.folder.is_finished:
        mend(plan)
        say(f"{plan.folder.path} is finished already; --fresh runs it again")
        leave_report(plan.folder.path)
    else:
        if news := same_spec_on_other_data(plan):
            say(news)
        say(*plan_lines(plan))
        if spec.training.workers > 1:
            _run_together(plan, args, command)
        else:
            probe.measure_once()
            trial = None if request.folder is None else tracked_trial(request.folder.path)
            experiment.run(plan, command=command, trial=trial, profile=profile)
    show_record(plan.folder)
    if args.profile:
        _leave_profile(plan, profile)


def _leave_profile(plan: Plan, profile: EpochProfile) -> None:
    if not profile.epochs:
        say("--profile: no epoch was trained now; --fresh trains all of them again")
        return
    show(profile_table(profile.epochs))
    say(f"Each epoch: {plan.folder.write(PROFILE, profile_csv(profile.epochs))}")


def _set_aside(folder: RunFolder) -> None:
    """Rename an earlier run out of the way.

    Raises:
        UserError: It is a trial, whose score its search has, or no run at all.
    """
    if tracked_trial(folder.path) is not None:
        raise UserError(
            f"{folder.path}: --fresh: a trial is begun anew with its search; or run it as another "
            f"experiment with {folder.path / 'spec.yaml'}"
        )
    if aside := set_aside(folder.path, "spec.yaml", "a run"):
        say(f"The earlier run is kept as {aside}")


def _plan(request: Request, args: argparse.Namespace) -> Plan:
    if request.folder is None:
        return extended_plan(request.spec, args.runs)
    if request.spec.training.workers > 1:
        raise UserError(
            f"{request.folder.path}: a run of {request.spec.training.workers} workers goes on with "
            "its spec, in the folder in which it began"
        )
    return plan_of_folder(request.folder, request.spec)


def _run_together(plan: Plan, args: argparse.Namespace, command: str) -> None:
    values = plan.spec.model_dump(mode="json")
    work = functools.partial(joint_training.run_as_worker, values, args.runs, command)
    train_together(
        work,
        workers=plan.spec.training.workers,
        shared=plan.folder.path.parent,
        address=args.address,
    )
