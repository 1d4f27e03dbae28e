"""The command `run`: train, evaluate and track; search where the spec asks for it."""

import argparse
import functools
import sys
from typing import TYPE_CHECKING

from steelexp import experiment
from steelexp.commands.arguments import runs_option, specs
from steelexp.commands.outcome import DONE, FAILED
from steelexp.commands.preview import plan_line, show_plan
from steelexp.commands.report import leave_report
from steelexp.commands.search import add_executor_options, check_executor, run_search
from steelexp.commands.show import show_record
from steelexp.errors import RunFailedError, UserError, explain_write_errors
from steelexp.plan import Plan, prepare
from steelexp.progress import say, show
from steelexp.records.store import run_folders
from steelexp.report.tables import leaderboard
from steelexp.search.ray_train import train_together
from steelexp.spec import ExperimentSpec

if TYPE_CHECKING:
    from steelexp.commands.arguments import Subparsers


def add(commands: "Subparsers") -> None:
    """Add the command."""
    train = commands.add_parser(
        "run", parents=[runs_option()], help="train, evaluate and track; search where asked"
    )
    train.set_defaults(act=run)
    train.add_argument("specs", nargs="+", metavar="SPEC|FOLDER|key=value")
    train.add_argument("--seeds", help="run each spec with each of these seeds, e.g. 0,1,2")
    train.add_argument(
        "--fresh", action="store_true", help="begin anew; an earlier run is kept aside"
    )
    add_executor_options(train)
    train.add_argument("--dry-run", action="store_true", help="say what would be run")


def run(args: argparse.Namespace) -> int:
    """Run every spec, one after the other; what is finished is skipped."""
    check_executor(args)
    asked = specs(args.specs, args.seeds)
    if args.dry_run:
        for spec, command in asked:
            show_plan(spec, args.runs, command)
        return DONE
    failed = []
    for number, (spec, command) in enumerate(asked, start=1):
        if len(asked) > 1:
            say(f"--- {number} of {len(asked)}: {spec.name}, seed {spec.seed}")
        try:
            with explain_write_errors(args.runs, "choose another folder with --runs"):
                _run_spec(spec, args, command)
        except UserError as error:
            if len(asked) == 1 and not isinstance(error, RunFailedError):
                raise
            print(f"steelexp: {spec.name}, seed {spec.seed}: {error}", file=sys.stderr)
            failed.append(spec.name)
    if len(asked) > 1:
        show(leaderboard(run_folders(args.runs)))
        say(f"{len(asked) - len(failed)} of {len(asked)} runs are finished in {args.runs}")
        leave_report(args.runs)
    return FAILED if failed else DONE


def _run_spec(spec: ExperimentSpec, args: argparse.Namespace, command: str) -> None:
    if spec.search is None:
        _run_one(spec, args, command)
    else:
        run_search(spec, args)


def _run_one(spec: ExperimentSpec, args: argparse.Namespace, command: str) -> None:
    plan = prepare(spec, args.runs)
    if args.fresh and (aside := plan.folder.set_aside()):
        say(f"The earlier run is kept as {aside}")
    if plan.folder.record is not None:
        say(f"{plan.folder.path} is finished already; --fresh runs it again")
    else:
        say(plan_line(plan))
        if spec.training.workers > 1:
            _run_together(plan, args, command)
        else:
            experiment.run(plan, command=command)
    show_record(plan.folder)
    leave_report(plan.folder.path)


def _run_together(plan: Plan, args: argparse.Namespace, command: str) -> None:
    values = plan.spec.model_dump(mode="json")
    work = functools.partial(experiment.run_as_worker, values, args.runs, command)
    train_together(
        work,
        workers=plan.spec.training.workers,
        shared=plan.folder.path.parent,
        address=args.address,
    )
